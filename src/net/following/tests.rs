//! What is known of files that change, and the files themselves against a running server.
