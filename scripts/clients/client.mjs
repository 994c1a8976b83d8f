// Sends requests by Node: client.mjs agent|fetch URL CASES COUNT.
import { readFileSync } from 'node:fs';
import http from 'node:http';

const [kind, url, file, text] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(file, 'utf8'));
const count = Number(text);
const errors = [];
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

const headers = (one) => (one.body ? { 'Content-Type': 'application/json' } : {});

const byAgent = (one) =>
  new Promise((resolve, reject) => {
    const options = { method: one.method, agent, headers: headers(one) };
    if (one.body) options.headers['Content-Length'] = one.body.length;
    const request = http.request(url + one.path, options, (answer) => {
      let body = '';
      answer.on('data', (part) => (body += part));
      answer.on('error', reject);
      answer.on('end', () =>
        answer.complete ? resolve([answer.statusCode, body]) : reject(new Error('cut')));
    });
    request.on('error', reject);
    request.end(one.body ?? undefined);
  });

const byFetch = async (one) => {
  // fetch sends no body with GET and HEAD.
  const body = ['GET', 'HEAD'].includes(one.method) ? undefined : (one.body ?? undefined);
  const answer = await fetch(url + one.path, { method: one.method, body, headers: headers(one) });
  return [answer.status, await answer.text()];
};

const send = kind === 'agent' ? byAgent : byFetch;
let next = 0;
const work = async () => {
  while (next < count) {
    const number = next++;
    const one = cases[(number * 7 + Math.floor(number / cases.length)) % cases.length];
    try {
      const [status, body] = await send(one);
      if (one.status !== 0 && one.status !== status) {
        errors.push(`${one.method} ${one.path}: ${status}`);
      } else if (one.path === '/openapi.json' && one.method === 'GET') {
        JSON.parse(body);
      }
    } catch (error) {
      const cause = error.cause?.code ?? error.code ?? error.message;
      errors.push(`${one.method} ${one.path} (${one.body?.length ?? 0} bytes): ${cause}`);
    }
  }
};
await Promise.all(Array.from({ length: 8 }, work));
errors.slice(0, 10).forEach((error) => console.log(error));
console.log(`${count} requests, ${errors.length} errors`);
process.exit(errors.length ? 1 : 0);
