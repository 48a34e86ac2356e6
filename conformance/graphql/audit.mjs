// The audit suite of the GraphQL over HTTP draft (npm graphql-http): every
// audit must be ok, warnings and notices count as failures.
import { serverAudits } from 'graphql-http';
import { assert, end, key, scenario, url } from '../scenario.mjs';

const audits = serverAudits({
  url: `${url}/graphql`,
  fetchFn: (target, init = {}) => fetch(target, { ...init, headers: { ...init.headers, 'X-API-Key': key } }),
});
for (const audit of audits) {
  await scenario(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    if (result.status !== 'ok') {
      throw new Error(`${result.status}: ${result.reason}`);
    }
  });
}
await scenario('the suite has 61 audits', async () => {
  assert.equal(audits.length, 61);
});
end();
