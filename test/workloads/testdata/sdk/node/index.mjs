// Stands in for eGain's TypeScript SDK, which no registry of these tests has. It has the arguments, operations and errors
// that examples/node/call_by_sdk.mjs uses, calls accessToken for each request as the SDK does, and does not repeat a 401 either.
export class Egain {
  constructor({accessToken, serverURL}) {
    const getAllPortals = async ({acceptLanguage}) => {
      const headers = {authorization: `Bearer ${await accessToken()}`, 'accept-language': acceptLanguage};
      const response = await fetch(serverURL + '/portals', {headers, signal: AbortSignal.timeout(10_000)});
      const body = await response.text();
      if (!response.ok) throw Object.assign(new Error('API error occurred'), {statusCode: response.status});
      return body;
    };
    this.portal = {general: {getAllPortals}};
  }
}
