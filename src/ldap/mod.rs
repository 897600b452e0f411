//! LDAP version 3, the client's side: requests out, answers in; filters and names escaped. RFC 4511.
