"""What turns an answer in progress into a confidence: one file a method."""
