"""What comes from outside, made up by machines: nothing of it may raise, hang, grow or go unanswered."""
