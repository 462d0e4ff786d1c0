//! WeChat's calls that this door takes, one line each: how they are made, what the client must be allowed, and what
//! becomes of them. What has no line is not passed on. It must not do any of them.

use hongyan_courier::kind::Kind;
use http::Method;

use crate::auth::scope::Scope;

/// By which verbs a call is made. Some SDKs POST where WeChat's pages say GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    Get,
    Post,
    Either,
}

impl Verbs {
    pub fn takes(self, method: &Method) -> bool {
        match self {
            Self::Get => method == Method::GET,
            Self::Post => method == Method::POST,
            Self::Either => method == Method::GET || method == Method::POST,
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A virtual token is issued.
    Token,
    /// The same; `force_refresh` revokes those before it.
    StableToken,
    /// A message is stored and sent.
    Send(Kind),
    /// The account's quotas are cleared, and the clearing counted.
    ClearQuota,
    /// The same, by the secret.
    ClearQuotaBySecret,
    /// WeChat is asked with the real token.
    Read,
    /// The same; a client that is confined to some templates is shown those.
    ListTemplates,
    /// The same, of a call that anybody made or a message of any template: a client that is confined to some templates is
    /// shown none.
    ReadCall,
    /// WeChat is told with the real token, and the account's list of templates is fetched anew.
    Change(Change),
}

/// A change of an account's templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    AddTemplate,
    DeleteTemplate,
    SetIndustry,
}

/// A call.
#[derive(Debug)]
pub struct Call {
    pub path: &'static str,
    pub verbs: Verbs,
    /// Any one of these; none for those that are made with the secret.
    pub scopes: &'static [Scope],
    pub task: Task,
}

const SEND: &[Scope] = &[Scope::MessagesSend];
const TEMPLATES: &[Scope] = &[Scope::Templates];
const RECIPIENTS: &[Scope] = &[Scope::Recipients];
const QUOTA: &[Scope] = &[Scope::Quota];
const READ: &[Scope] = &[Scope::WechatRead];

const fn call(path: &'static str, verbs: Verbs, scopes: &'static [Scope], task: Task) -> Call {
    Call {
        path,
        verbs,
        scopes,
        task,
    }
}

const fn send(path: &'static str, kind: Kind) -> Call {
    call(path, Verbs::Post, SEND, Task::Send(kind))
}

const fn change(path: &'static str, change: Change) -> Call {
    call(path, Verbs::Post, TEMPLATES, Task::Change(change))
}

/// A read that nothing here knows: it is passed on for clients with a scope of its own.
const fn pass(path: &'static str, verbs: Verbs) -> Call {
    call(path, verbs, READ, Task::Read)
}

/// All of them.
pub const CALLS: &[Call] = &[
    call("/cgi-bin/token", Verbs::Either, &[], Task::Token),
    call("/cgi-bin/stable_token", Verbs::Post, &[], Task::StableToken),
    send("/cgi-bin/message/template/send", Kind::Template),
    send("/cgi-bin/message/subscribe/bizsend", Kind::Subscription),
    send("/cgi-bin/message/template/subscribe", Kind::OneTime),
    send("/cgi-bin/message/subscribe/send", Kind::MiniProgram),
    call(
        "/cgi-bin/template/get_all_private_template",
        Verbs::Either,
        TEMPLATES,
        Task::ListTemplates,
    ),
    call(
        "/cgi-bin/template/get_industry",
        Verbs::Either,
        TEMPLATES,
        Task::Read,
    ),
    change("/cgi-bin/template/api_add_template", Change::AddTemplate),
    change(
        "/cgi-bin/template/del_private_template",
        Change::DeleteTemplate,
    ),
    change("/cgi-bin/template/api_set_industry", Change::SetIndustry),
    call("/cgi-bin/user/info", Verbs::Get, RECIPIENTS, Task::Read),
    call("/cgi-bin/user/get", Verbs::Get, RECIPIENTS, Task::Read),
    call(
        "/cgi-bin/user/info/batchget",
        Verbs::Post,
        RECIPIENTS,
        Task::Read,
    ),
    // They tell openids, or what is known of one.
    call(
        "/cgi-bin/tags/getidlist",
        Verbs::Post,
        RECIPIENTS,
        Task::Read,
    ),
    call("/cgi-bin/user/tag/get", Verbs::Post, RECIPIENTS, Task::Read),
    call("/cgi-bin/groups/getid", Verbs::Post, RECIPIENTS, Task::Read),
    call("/cgi-bin/clear_quota", Verbs::Post, QUOTA, Task::ClearQuota),
    call(
        "/cgi-bin/clear_quota/v2",
        Verbs::Post,
        QUOTA,
        Task::ClearQuotaBySecret,
    ),
    call(
        "/cgi-bin/openapi/quota/get",
        Verbs::Post,
        &[Scope::Quota, Scope::Accounts],
        Task::Read,
    ),
    // Reads of SDKs that change nothing, and whose answers are JSON.
    pass("/cgi-bin/get_api_domain_ip", Verbs::Get),
    pass("/cgi-bin/getcallbackip", Verbs::Get),
    pass("/cgi-bin/callback/check", Verbs::Post),
    call(
        "/cgi-bin/openapi/rid/get",
        Verbs::Post,
        READ,
        Task::ReadCall,
    ),
    pass("/cgi-bin/get_current_autoreply_info", Verbs::Get),
    pass("/cgi-bin/get_current_selfmenu_info", Verbs::Get),
    pass("/cgi-bin/menu/get", Verbs::Get),
    pass("/cgi-bin/menu/trymatch", Verbs::Post),
    pass("/cgi-bin/tags/get", Verbs::Get),
    pass("/cgi-bin/groups/get", Verbs::Get),
    pass("/cgi-bin/material/get_materialcount", Verbs::Get),
    pass("/cgi-bin/material/batchget_material", Verbs::Post),
    pass("/cgi-bin/message/mass/get", Verbs::Post),
    pass("/cgi-bin/customservice/getkflist", Verbs::Get),
    pass("/cgi-bin/customservice/getonlinekflist", Verbs::Get),
    pass("/wxaapi/newtmpl/getcategory", Verbs::Get),
    pass("/wxaapi/newtmpl/getpubtemplatetitles", Verbs::Get),
    pass("/wxaapi/newtmpl/getpubtemplatekeywords", Verbs::Get),
    call(
        "/wxaapi/newtmpl/gettemplate",
        Verbs::Get,
        TEMPLATES,
        Task::ListTemplates,
    ),
    change("/wxaapi/newtmpl/addtemplate", Change::AddTemplate),
    change("/wxaapi/newtmpl/deltemplate", Change::DeleteTemplate),
    // It shows to whom WeChat did not show what.
    call(
        "/wxa/sec/queryblocktmplmsg",
        Verbs::Post,
        RECIPIENTS,
        Task::ReadCall,
    ),
];

/// The call of a path.
pub fn find(path: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_one_line_and_a_scope_unless_its_secret_speaks() {
        for (nth, call) in CALLS.iter().enumerate() {
            assert!(
                CALLS[nth + 1..].iter().all(|other| other.path != call.path),
                "{}",
                call.path
            );
            let by_secret = matches!(call.task, Task::Token | Task::StableToken);
            assert_eq!(call.scopes.is_empty(), by_secret, "{}", call.path);
        }
    }

    #[test]
    fn nothing_that_changes_something_is_passed_on_unseen() {
        for call in CALLS.iter().filter(|call| call.task == Task::Read) {
            let last = call.path.rsplit('/').next().unwrap();
            let changes = [
                "add", "create", "del", "delete", "send", "update", "upload", "set", "clear",
            ];
            assert!(!changes.iter().any(|word| last.starts_with(word)), "{last}");
        }
    }
}
