// co-wechat-api against a gateway: what a program does with it, and that every answer is what WeChat's would be.
'use strict';

const assert = require('assert');
const API = require('co-wechat-api');

const env = (name) => process.env['PEER_' + name];
const [base, appid, template] = [env('BASE'), env('APPID'), env('TEMPLATE')];
const data = { thing1: { value: '咖啡', color: '#173177' } };

// The documented way to call another host.
function client(secret) {
  const api = new API(appid, secret);
  api.prefix = base + '/cgi-bin/';
  return api;
}

async function refused(errcode, call) {
  const answer = await call.catch((error) => error);
  assert.strictEqual(answer.code, errcode, String(answer));
}

async function main() {
  const api = client(env('SECRET'));
  const token = await api.getAccessToken();
  assert(token.isValid());

  const list = (await api.getAllPrivateTemplate()).template_list;
  assert.deepStrictEqual(list.map((one) => one.template_id), [template]);

  const send = (openid, id, values) => api.sendTemplate(openid, id, 'https://example.com/', '#FF0000', values, undefined);
  const sent = await send(env('GOOD'), template, data);
  assert.strictEqual(sent.errcode, 0);
  assert(/^\d{18,19}$/.test(sent.msgid.toString()), 'a msgid is a number: ' + sent.msgid);

  await refused(40003, send('not-an-openid', template, data));
  await refused(43101, send(env('REFUSED'), template, data));
  await refused(43101, send(env('REFUSED'), template, data));
  await refused(40037, send(env('GOOD'), 'unknown', data));
  await refused(47003, send(env('GOOD'), template, {}));

  assert.strictEqual((await api.getUser({ openid: env('GOOD'), lang: 'zh_CN' })).subscribe, 1);
  await api.getIndustry();

  // It holds a token that was never good: it fetches another and goes on.
  await api.saveToken(new API.AccessToken('74_never-good', Date.now() + 60000));
  assert.strictEqual((await api.getUser({ openid: env('GOOD'), lang: 'zh_CN' })).openid, env('GOOD'));

  await refused(40125, client('wrong').getFollowers());
  console.log('co-wechat-api is content');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
