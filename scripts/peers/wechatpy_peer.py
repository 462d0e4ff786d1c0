"""wechatpy against a gateway: what a program does with it, and that every answer is what WeChat's would be."""

import os

from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

BASE, APPID, SECRET, TEMPLATE, GOOD, REFUSED = (
    os.environ["PEER_" + name]
    for name in ("BASE", "APPID", "SECRET", "TEMPLATE", "GOOD", "REFUSED")
)
DATA = {"thing1": {"value": "咖啡", "color": "#173177"}}


class Client(WeChatClient):
    """The documented way to call another host: the base address, and where tokens come from."""

    API_BASE_URL = BASE + "/cgi-bin/"

    def fetch_access_token(self):
        query = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=BASE + "/cgi-bin/token", params=query)


def refused(errcode, call, *args, **kwargs):
    try:
        answer = call(*args, **kwargs)
    except WeChatClientException as error:
        assert error.errcode == errcode, error
        return error
    raise AssertionError("%s was expected, and not %s" % (errcode, answer))


client = Client(APPID, SECRET, timeout=5)
token = client.fetch_access_token()
assert token["expires_in"] == 7200, token

templates = client.template.get_all_private_template()["template_list"]
assert [one["template_id"] for one in templates] == [TEMPLATE], templates

sent = client.message.send_template(GOOD, TEMPLATE, DATA, url="https://example.com/")
assert sent["errcode"] == 0 and isinstance(sent["msgid"], int), sent

refused(40003, client.message.send_template, "not-an-openid", TEMPLATE, DATA)
refused(43101, client.message.send_template, REFUSED, TEMPLATE, DATA)
refused(43101, client.message.send_template, REFUSED, TEMPLATE, DATA)
refused(40037, client.message.send_template, GOOD, "unknown", DATA)
words = refused(47003, client.message.send_template, GOOD, TEMPLATE, {}).errmsg
assert words.startswith("argument invalid! data is empty"), words

assert client.user.get(GOOD)["subscribe"] == 1
client.template.get_industry()

# It holds a token that was never good: it fetches another and goes on.
client.session.set(client.access_token_key, "74_never-good")
assert client.user.get(GOOD)["openid"] == GOOD

refused(40125, Client(APPID, "wrong", timeout=5).user.get, GOOD)


class Lost(Client):
    """Whose tokens are never good, as after a mistake in its settings: each refusal makes it fetch and call again."""

    fetched = 0

    def fetch_access_token(self):
        self.fetched += 1
        self.session.set(self.access_token_key, "74_never-good-%d" % self.fetched)


lost = Lost(APPID, SECRET, timeout=5)
refused(45011, lost.user.get, GOOD)
assert lost.fetched < 10, lost.fetched

print("wechatpy is content")
