//! What the command says when it is over, and how to go on from there.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::Value;

use super::{BroadcastArgs, End, Task};
use crate::cli::broadcasts::{problems, show_broadcast};
use crate::cli::context::{Context, Lang};
use crate::cli::sign::quote;

impl Task<'_> {
    /// What is true of an interrupted command, whichever way it was called.
    pub(super) fn interrupted(&self) -> String {
        let lang = self.lang;
        let Some(id) = self.id.get() else {
            let nothing = lang.pick(
                "interrupted; this run started nothing. Run the same command again.",
                "已中断；本次运行未开始任何发送。请再次运行同一命令。",
            );
            return nothing.to_owned();
        };
        let going_on = lang.pick(
            "interrupted; what is started goes on.",
            "已中断；已开始的发送会继续。",
        );
        if !self.args.again {
            let same = lang.pick(
                "The same command goes on with it.",
                "再次运行同一命令即可接着进行。",
            );
            return format!("{going_on}{}{same}", lang.pick(" ", ""));
        }
        // The same command would start anew once this one has ended.
        let mut command = format!("hongyan broadcast --resume {id}");
        if let Some(recipients) = self.args.recipients.as_deref().filter(|of| *of != "all") {
            command.push_str(&format!(" --recipients {}", quote(recipients)));
        }
        if self.args.skip_bad_rows {
            command.push_str(" --skip-bad-rows");
        }
        let this_one = lang.pick(" Go on with it by:", "接着进行请运行：");
        format!("{going_on}{this_one}\n  {command}")
    }
}

pub(super) fn told(
    args: &BroadcastArgs,
    end: End,
    context: &mut Context<'_>,
) -> anyhow::Result<ExitCode> {
    let broadcast = match end {
        End::BadRows { broadcast, found } => return told_bad_rows(broadcast, found, context),
        End::Stands(broadcast) => broadcast,
    };
    if context.json {
        context.value(&broadcast)?;
    } else {
        context.line(&show_broadcast(&broadcast, context.lang))?;
    }
    let (id, lang) = (super::id(&broadcast)?, context.lang);
    let refused = broadcast["progress"]["refused"].as_u64().unwrap_or(0);
    match broadcast["status"].as_str() {
        Some("paused") => {
            let paused = lang.pick(
                "the broadcast is paused; go on with it by:",
                "该群发已暂停；继续发送请运行：",
            );
            bail!("{paused} hongyan broadcasts resume {id}")
        }
        Some("cancelled") => {
            let cancelled = lang.pick(
                "the broadcast was cancelled; what had not been sent will not be",
                "该群发已取消，未发送的消息不再发送",
            );
            let anew = lang.pick(
                ". The same command with --again sends it anew",
                "；如需重新发送，请在同一命令后加上 --again",
            );
            // By its id it cannot be sent anew.
            bail!(
                "{cancelled}{}",
                if args.resume.is_some() { "" } else { anew }
            )
        }
        _ if refused > 0 && !args.skip_bad_rows => {
            let why = lang.pick(
                "of its rows became no message: their values break the template",
                "行未成为消息：其内容不符合模板",
            );
            bail!("{refused} {why}")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn told_bad_rows(
    mut broadcast: Value,
    found: Value,
    context: &mut Context<'_>,
) -> anyhow::Result<ExitCode> {
    if context.json {
        broadcast["check"] = found;
        context.value(&broadcast)?;
        return Ok(ExitCode::FAILURE);
    }
    context.line(&problems(&found, context.lang).unwrap_or_default())?;
    let advice = context.lang.pick(
        "not started: mend the file, or pass over these rows with --skip-bad-rows",
        "尚未开始：请修正文件，或加上 --skip-bad-rows 跳过这些行",
    );
    context.line(&format!("\n{}", counted(&found, advice, context.lang)))?;
    Ok(ExitCode::FAILURE)
}

pub(super) fn told_check(
    recipients: &str,
    found: &Value,
    context: &mut Context<'_>,
) -> anyhow::Result<ExitCode> {
    if context.json {
        context.value(found)?;
    } else {
        if let Some(problems) = problems(found, context.lang) {
            context.line(&problems)?;
        }
        let text = context.lang.pick("nothing was sent", "未发送任何消息");
        let line = match recipients {
            "all" => {
                let fine = context.lang.pick(
                    "the order is good; who follows the account is asked only once it is started",
                    "内容正确；关注者名单在开始发送时才会获取",
                );
                format!("{fine}{}{text}", context.lang.pick("; ", "；"))
            }
            _ => counted(found, text, context.lang),
        };
        context.line(&line)?;
    }
    Ok(match found["bad_rows"].as_u64() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn counted(found: &Value, what: &str, lang: Lang) -> String {
    let (good, bad) = (&found["rows"], &found["bad_rows"]);
    match lang {
        Lang::En => format!("{good} good, {bad} bad; {what}"),
        Lang::Zh => format!("{good} 行正确，{bad} 行有误；{what}"),
    }
}
