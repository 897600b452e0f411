//! The commands about where mail goes and who may send it, with their arguments; their help texts are the manual.

use argh::FromArgs;

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "alias",
    description = "show aliases, or lead an address to others",
    example = "{command_name}\n{command_name} info@home.lan alice@home.lan\n\
    {command_name} all@home.lan alice@home.lan bob@home.lan\n\
    {command_name} tax@home.lan alice@home.lan office@example.com\n\
    {command_name} '*@home.lan' alice@home.lan\n{command_name} home.example home.lan\n{command_name} home.lan",
    note = "ALIAS is an address, *@home.lan or @home.lan for every name of that domain that nobody has, or a domain\n\
    whose addresses all lead to the same name at another. TO is a mailbox, another alias here, or an address\n\
    elsewhere, if there is a way to it (\"poppet get smarthost\", \"poppet route\"); several make a list. What was set\n\
    before is replaced; \"poppet del ALIAS\" removes it. Mail to one mailbox by several ways arrives once.\n\
    Without TO it shows that alias; or those that lead to that domain or mailbox; without ALIAS all of them.\n\
    Columns: alias, targets (with spaces between), created.\n\
    Nobody needs an alias for alice+tag@home.lan: see \"poppet get tag_separator\"."
)]
/// alias
pub(super) struct AliasVerb {
    /// what can be sent to, and the addresses that it leads to
    #[argh(positional, arg_name = "ALIAS TO")]
    pub words: Vec<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "device",
    description = "show, add or remove devices that send without a logon",
    example = "{command_name}\n{command_name} add scanner 192.168.1.40 --from scanner@home.lan --per-day 200\n\
    {command_name} add cameras 192.168.1.64/26 --lenient\n{command_name} del scanner",
    note = "Say list, add NAME ADDRESS, or del NAME. ADDRESS is what the device sends from, IPv4 or IPv6, or a network\n\
    with its bits behind a stroke: /24 or more for IPv4, /64 or more for IPv6. NAME is for you and the log:\n\
    letters A-Z and a-z, digits, - and _.\n\
    A device sends to mailboxes here without a password and without TLS: whoever has its address is the device,\n\
    so a public one is refused without --force. With --to smarthost it also sends to other servers, by the routes and\n\
    the smart host there are. --lenient takes from it what old firmware says: lines that end\n\
    in LF alone, addresses without their brackets and the like.\n\
    Columns of the list: name, network, from, to, per_day, lenient, created."
)]
/// device
pub(super) struct DeviceVerb {
    /// what is done, and with which device
    #[argh(positional, arg_name = "list|add|del NAME ADDRESS")]
    pub words: Vec<String>,
    /// the sender of all its mail, in letters a-z; without it the one that it says
    #[argh(option, arg_name = "ADDR")]
    pub from: Option<String>,
    /// where its mail may go: local (mailboxes here, the default), or smarthost (everywhere)
    #[argh(option, arg_name = "WHERE")]
    pub to: Option<String>,
    /// mails that it may send in a day; without it as many as it likes
    #[argh(option, arg_name = "N")]
    pub per_day: Option<u32>,
    /// take bare LFs and odd addresses from it
    #[argh(switch)]
    pub lenient: bool,
    /// take a public address
    #[argh(switch)]
    pub force: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "quota",
    description = "show how full mailboxes are, or set how much they may hold",
    example = "{command_name}\n{command_name} alice@home.lan\n{command_name} home.lan 500M\n\
    {command_name} alice@home.lan 2G --messages 20000\n{command_name} alice@home.lan none",
    note = "SIZE is a number with K, M, G or T behind it, or none. What is set for a domain counts for each of its\n\
    mailboxes that has nothing of its own; \"poppet set quota 1G\" counts for all, and \"poppet set quota --default\n\
    --for TARGET\" takes back to what counts above. What can be brought back by \"poppet undelete\" doesn't count.\n\
    At 90 percent (quota_warning) the user gets one warning mail. Mail for a full mailbox waits at its sender, or\n\
    is refused where full_mailbox says so.\n\
    Columns: mailbox, octets, quota, messages, quota_messages, percent (of the one that is nearer)."
)]
/// quota
pub(super) struct QuotaVerb {
    /// a domain or an address, and how much it may hold
    #[argh(positional, arg_name = "TARGET SIZE")]
    pub words: Vec<String>,
    /// how many messages it may hold, or none
    #[argh(option, arg_name = "N")]
    pub messages: Option<String>,
}
