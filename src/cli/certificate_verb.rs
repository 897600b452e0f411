//! The arguments of cert; their help text is the manual.

use argh::FromArgs;

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "cert",
    description = "show certificates, and say whose certificates of users are believed",
    example = "{command_name}\n{command_name} ca add company.pem\n{command_name} crl add company.crl\n\
    {command_name} issue alice@home.lan --label phone\n{command_name} allow alice@home.lan 3f:09:...\n\
    {command_name} deny alice@home.lan 3f09a1b2\n{command_name} request mail.example.org\n\
    {command_name} install mail.pem",
    note = "\"poppet set clientcert optional\" or required makes the listeners ask users for certificates, \"poppet set\n\
    certpassword on\" asks for the password too. Say:\n\
    list                      all certificates; columns: kind, address, name, ends, state, fingerprint, bound, watched\n\
    \x20                         (the file that is followed), trouble (what is wrong with it)\n\
    show [--pem]              the authority's certificate, which clients trust\n\
    show --mobileconfig       the same as a profile for iPhone, iPad and Mac, with --for ADDRESS the account, too: send\n\
    \x20                         it there by AirDrop or a cable, install it, and trust it in Settings, General, About\n\
    show --qr                 a code for a camera. With --for ADDRESS it has the account, which Thunderbird for Android\n\
    \x20                         takes where it imports settings; without, the authority's fingerprint, to hold against\n\
    \x20                         the one that a phone shows when it asks. There is no password in any of them\n\
    ca [list]                 the authorities that vouch for users, a directory's servers, or smart hosts\n\
    ca add FILE               believe an authority; its certificates name users by their e-mail addresses, or with\n\
    \x20                         --for the servers: then only authorities that stand here vouch for those\n\
    ca del NAME               believe it no more; a fingerprint or its first 8 digits do, too\n\
    crl [list]                the revocation lists; columns: name, revoked, made, next\n\
    crl add FILE              revoke what an authority's list names; it takes the place of the older one\n\
    crl del NAME              forget the list of that authority\n\
    issue ADDRESS             make a certificate for a user's device: a PKCS #12 file, and the password for it\n\
    allow ADDRESS PRINT       let a user log on with the certificate that has this SHA-256 fingerprint\n\
    deny ADDRESS PRINT        no more, and end his sessions; the fingerprint's first 8 digits do\n\
    request [NAME...]         make a key, and a request (PKCS #10) for an authority to sign; names and addresses\n\
    install FILE [KEYFILE]    show what an authority has signed, from the next connection on; the key is that of the\n\
    \x20                         request, or stands in FILE or KEYFILE. What does not fit changes nothing\n\
    bind LABEL [PLACE...]     show it to who asks for these names (*.example.org) or comes by these addresses of this\n\
    \x20                         machine; without PLACE to everybody else. LABEL poppet is poppet's own\n\
    del LABEL                 show what was installed no more; or give the request for these names up, with its key\n\
    watch CHAIN [KEY]         install the certificate in these files, and follow them: what certbot, acme.sh, lego or\n\
    \x20                         Caddy renew there is shown within a minute, or at once after SIGHUP. The key's file\n\
    \x20                         belongs to root or the server's user, who can read both, and not everybody can\n\
    unwatch LABEL             follow them no more\n\
    renew                     make poppet's own anew now; it is by itself for new addresses, new domains, another\n\
    \x20                         hostname, and 60 days before its end\n\
    Who asks for a name that is bound, or else comes by an address that is, gets what it is bound to; else what has the\n\
    name that he asks for; else what is bound to everybody, which is the first that was installed.\n\
    A FILE is PEM or DER. What was issued can be denied at any time; its key is kept nowhere. For programs that want\n\
    PEM: openssl pkcs12 -in FILE -nodes. A certificate that names no mailbox here lets nobody in."
)]
/// cert
pub(super) struct CertVerb {
    /// what is done, and with what
    #[argh(
        positional,
        arg_name = "list|show|ca|crl|issue|allow|deny|request|install|bind|del|watch|unwatch|renew ..."
    )]
    pub words: Vec<String>,
    /// whom an authority vouches for: clients (the default), directory, or smarthost (routes' hosts, too); with show,
    /// whose account
    #[argh(option, arg_name = "WHOM", long = "for")]
    pub vouches: Option<String>,
    /// where the PKCS #12 file goes; without it ADDRESS.p12 in this folder. Or the request, or what is shown. No file is
    /// overwritten
    #[argh(option, arg_name = "FILE")]
    pub out: Option<String>,
    /// how long what is issued is valid; without it 1095 days
    #[argh(option, arg_name = "N")]
    pub days: Option<u32>,
    /// what it is called in lists, such as the device that has it
    #[argh(option, arg_name = "TEXT")]
    pub label: Option<String>,
    /// what is installed is called so in lists; without it by its first name. Letters, digits, dots and hyphens
    #[argh(option, arg_name = "LABEL", long = "as")]
    pub installed_as: Option<String>,
    /// show PEM, as without it
    #[argh(switch)]
    pub pem: bool,
    /// show a profile for Apple's devices
    #[argh(switch)]
    pub mobileconfig: bool,
    /// show a code for a camera
    #[argh(switch)]
    pub qr: bool,
    /// by which name or address devices reach this server; without it by its first address, which should stay then
    #[argh(option, arg_name = "HOST")]
    pub host: Option<String>,
}
