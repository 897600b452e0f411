//! One account in whose name all mail leaves: From and Reply-To rewritten (O2).
