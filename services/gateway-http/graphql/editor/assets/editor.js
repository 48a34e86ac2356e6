'use strict';
const state = document.getElementById('state');
const root = ReactDOM.createRoot(document.getElementById('graphiql'));
const start = `# Ctrl+Enter runs it, Ctrl+Space completes, the book on the left has the schema
{
  __typename
}
`;

// operation is the one of a document that is run.
function operation(document, name) {
  const all = document?.definitions.filter((d) => d.kind === 'OperationDefinition') ?? [];
  return all.find((d) => !name || d.name?.value === name);
}

function fetcher(key) {
  return async (params, options) => {
    const live = operation(options?.documentAST, params.operationName)?.operation === 'subscription';
    const headers = {
      'Content-Type': 'application/json',
      Accept: live ? 'text/event-stream' : 'application/graphql-response+json, application/json',
      ...(key && { 'X-API-Key': key }),
      ...options?.headers,
    };
    const stop = new AbortController();
    const res = await fetch(location.pathname, { method: 'POST', headers, body: JSON.stringify(params), signal: stop.signal });
    state.textContent = res.ok ? '' : `The server said ${res.status}.`;
    return res.headers.get('Content-Type')?.startsWith('text/event-stream') ? follow(res, stop) : res.json();
  };
}

// follow gives the results of a subscription, one by one
// (https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md).
async function* follow(res, stop) {
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let rest = ''; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const data = /^data: (.+)$/m.exec(event);
        if (data && /^event: next$/m.test(event)) yield JSON.parse(data[1]);
      }
    }
  } finally {
    stop.abort();
  }
}

function show(key) {
  root.render(React.createElement(GraphiQL, { key, fetcher: fetcher(key), defaultQuery: start, shouldPersistHeaders: false, inputValueDeprecation: true }));
}

document.getElementById('login').addEventListener('submit', (e) => {
  e.preventDefault();
  show(document.getElementById('key').value.trim());
});
show('');
