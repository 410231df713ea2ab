"""Messages out, messages in: a bounded backlog, a spool on disk and one thread that speaks MQTT."""
