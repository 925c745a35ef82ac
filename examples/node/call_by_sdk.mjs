// Calls eGain's API by eGain's TypeScript SDK, with the token that egain-operator keeps in a mounted Secret.
//
//     node call_by_sdk.mjs
//
// EGAIN_TOKEN_DIR is where the Secret is mounted, INTERVAL how many seconds pass between two calls.

import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';

import {Egain} from '@egain/egain-api-typescript';

const tokenDir = process.env.EGAIN_TOKEN_DIR ?? '/var/run/egain';
const read = (key) => readFile(join(tokenDir, key), 'utf8');

const egain = new Egain({
  // The SDK calls this function for each request.
  accessToken: () => read('access_token'),
  serverURL: (await read('api_url')) + '/knowledge/portalmgr/v4',
});

// call runs an operation of the SDK, and repeats it once after a 401. The repetition reads the file again.
async function call(operation) {
  try {
    return await operation();
  } catch (error) {
    if (error.statusCode !== 401) throw error;
    return operation();
  }
}

for (;;) {
  try {
    await call(() => egain.portal.general.getAllPortals({acceptLanguage: 'en-US'}));
    console.log(200);
  } catch (error) {
    if (!error.statusCode) throw error;
    console.log(error.statusCode);
  }
  await sleep(1000 * Number(process.env.INTERVAL ?? 60));
}
