// Calls eGain's API with the token that egain-operator keeps in a mounted Secret, with nothing but Node.js 18 or later.
//
//     node call_egain.mjs /knowledge/portalmgr/v4/portals
//
// EGAIN_TOKEN_DIR is where the Secret is mounted, INTERVAL how many seconds pass between two calls.

import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';

const tokenDir = process.env.EGAIN_TOKEN_DIR ?? '/var/run/egain';
const read = (key) => readFile(join(tokenDir, key), 'utf8');

// send sends a request with the token of this moment: the files are replaced when the token is.
async function send(path) {
  const [url, authorization] = await Promise.all([read('api_url'), read('authorization')]);
  return fetch(url + path, {headers: {authorization}, signal: AbortSignal.timeout(10_000)});
}

// call calls the API. The token may have been replaced between reading it and eGain's looking at it, so 401 is tried once more.
export async function call(path) {
  const response = await send(path);
  return response.status === 401 ? send(path) : response;
}

for (;;) {
  const response = await call(process.argv[2]);
  await response.text();
  console.log(response.status);
  await sleep(1000 * Number(process.env.INTERVAL ?? 60));
}
