"""One real component each: a process, a socket, an encoded file, a broker."""
