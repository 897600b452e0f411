//! Examples of the RFCs, what servers get wrong, and our own server as the other side.
