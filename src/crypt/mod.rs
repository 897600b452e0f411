//! Hashes of passwords as the system's shadow file has them: yescrypt, sha512-crypt, sha256-crypt, bcrypt, and old
//! kinds where they are allowed. crypt(5).
