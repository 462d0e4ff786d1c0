//! The industries of an account: read, and set once a month.
//! It knows the names behind the codes and nothing of what the library offers to which.

use serde_json::{Value, json};

use super::World;
use super::account::Template;
use super::quota::month;
use super::refusal::{Denied, Refusal};
use crate::fault::Endpoint;

const CHANGES_A_MONTH: u64 = 1;

/// First and second class by code, from 1 on, as the official page lists them.
#[rustfmt::skip]
const INDUSTRIES: [(&str, &str); 41] = [
    ("IT科技", "互联网|电子商务"), ("IT科技", "IT软件与服务"), ("IT科技", "IT硬件与设备"), ("IT科技", "电子技术"),
    ("IT科技", "通信与运营商"), ("IT科技", "网络游戏"), ("金融业", "银行"), ("金融业", "基金|理财|信托"),
    ("金融业", "保险"), ("餐饮", "餐饮"), ("酒店旅游", "酒店"), ("酒店旅游", "旅游"),
    ("运输与仓储", "快递"), ("运输与仓储", "物流"), ("运输与仓储", "仓储"), ("教育", "培训"),
    ("教育", "院校"), ("政府与公共事业", "学术科研"), ("政府与公共事业", "交警"), ("政府与公共事业", "博物馆"),
    ("政府与公共事业", "公共事业|非盈利机构"), ("医药护理", "医药医疗"), ("医药护理", "护理美容"), ("医药护理", "保健与卫生"),
    ("交通工具", "汽车相关"), ("交通工具", "摩托车相关"), ("交通工具", "火车相关"), ("交通工具", "飞机相关"),
    ("房地产", "建筑"), ("房地产", "物业"), ("消费品", "消费品"), ("商业服务", "法律"),
    ("商业服务", "会展"), ("商业服务", "中介服务"), ("商业服务", "认证"), ("商业服务", "审计"),
    ("文体娱乐", "传媒"), ("文体娱乐", "体育"), ("文体娱乐", "娱乐休闲"), ("印刷", "印刷"),
    ("其它", "其它"),
];

impl World {
    /// `template/get_industry`. What an account that never set them is answered is not documented: here, nothing.
    pub fn industry(&mut self, now_ms: i64, access_token: &str) -> Result<Value, Refusal> {
        self.with_token(now_ms, access_token, Endpoint::IndustryGet, |world, number| {
            world.must_have_templates(number)?;
            let names = |(first, second): (&str, &str)| json!({"first_class": first, "second_class": second});
            let set = world.accounts[number].industries;
            Ok(set.map_or_else(|| json!({}), |[primary, secondary]| {
                json!({"primary_industry": names(INDUSTRIES[primary]),
                    "secondary_industry": names(INDUSTRIES[secondary])})
            }))
        })
    }

    /// `template/api_set_industry`. A change deletes the templates that were there.
    pub fn set_industry(
        &mut self,
        now_ms: i64,
        access_token: &str,
        codes: [&str; 2],
    ) -> Result<Value, Refusal> {
        self.with_token(
            now_ms,
            access_token,
            Endpoint::IndustrySet,
            |world, number| {
                world.must_have_templates(number)?;
                let [Some(primary), Some(secondary)] = codes.map(place_of) else {
                    return Err(Denied::code(40102));
                };
                let account = &mut world.accounts[number];
                if !account
                    .meters
                    .industry_month
                    .take(month(now_ms), CHANGES_A_MONTH)
                {
                    return Err(Denied::code(43100));
                }
                let before = account.industries.replace([primary, secondary]);
                if before.is_some_and(|before| before != [primary, secondary]) {
                    let own = |_: &String, template: &mut Template| !template.subscription;
                    let gone = account.templates.extract_if(own).map(|(id, _)| id);
                    account.deleted.extend(gone);
                }
                Ok(json!({"errcode": 0, "errmsg": "ok"}))
            },
        )
    }
}

/// Where a code stands in the list.
fn place_of(code: &str) -> Option<usize> {
    let place = code.parse::<usize>().ok()?.checked_sub(1)?;
    (place < INDUSTRIES.len()).then_some(place)
}
