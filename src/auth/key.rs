//! The device key: 32 octets beside the database or from the service manager's credentials.

use std::path::Path;

/// The key under which every secret of the database is sealed.
#[derive(Clone)]
pub struct DeviceKey {}

/// Why there is no key; each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(pub String);

impl DeviceKey {
    /// Makes a new key in a file of mode 0600 beside the database (`poppet.redb` gives `poppet.key`):
    /// a temporary name, synced, renamed, the directory synced. Errs if there is one already.
    pub fn create(_database: &Path) -> Result<DeviceKey, KeyError> {
        todo!()
    }

    /// Reads `$CREDENTIALS_DIRECTORY/poppet.key` if that is set and there, else the file beside the
    /// database. Refuses a symbolic link, a wrong length, another owner, and a file that group or others can read.
    pub fn load(_database: &Path) -> Result<DeviceKey, KeyError> {
        todo!()
    }
}
