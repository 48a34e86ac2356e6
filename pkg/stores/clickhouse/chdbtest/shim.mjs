// ClickHouse's HTTP interface, as far as clickhouse-go uses it, over chdb: the
// real engine in this process. It prints its port and serves until its input
// ends. chdb has one session, so one statement runs after another.
import { Session } from 'chdb';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'chdb-'));
const session = new Session(join(folder, 'data'));
let database = '';
let inserts = 0;
let line = Promise.resolve();

// queue runs fn when all before it have ended.
const queue = (fn) => (line = line.then(fn, fn));

const run = async (sql, format) => (await session.queryAsync(sql, { format })).bytes();

async function serve(url, body) {
  const name = url.searchParams.get('database') || 'default';
  if (name !== database) {
    await run('USE `' + name.replaceAll('`', '``') + '`', 'Null');
    database = name;
  }
  const insert = url.searchParams.get('query');
  if (insert) { // INSERT … FORMAT Native, with the block as the body
    const file = join(folder, `block${inserts++}`);
    writeFileSync(file, body);
    try {
      const into = insert.replace(/\s*(VALUES|FORMAT\s+Native)\s*;?\s*$/i, '');
      return await run(`${into} FROM INFILE '${file}' FORMAT Native`, 'Null');
    } finally {
      rmSync(file);
    }
  }
  const sql = body.toString();
  if (sql.startsWith('SELECT displayName(), version(), revision(), timezone()')) return hello();
  return await run(sql, url.searchParams.get('default_format') || 'Native');
}

// hello says revision 0: the driver then reads what follows as plain Native,
// which is what chdb writes. This first block it reads by its own revision.
function hello() {
  const text = (s) => Buffer.concat([Buffer.from([Buffer.byteLength(s)]), Buffer.from(s)]);
  const column = (name, type, value) => Buffer.concat([text(name), text(type), Buffer.from([0]), value]);
  return Buffer.concat([
    Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 4, 1]),
    column('displayName()', 'String', text('chdb')),
    column('version()', 'String', text('26.7.3')),
    column('revision()', 'UInt32', Buffer.alloc(4)),
    column('timezone()', 'String', text('UTC')),
  ]);
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => queue(async () => {
    try {
      const out = await serve(new URL(request.url, 'http://x'), Buffer.concat(parts));
      response.writeHead(200, { 'Content-Length': out.length });
      response.end(out);
    } catch (error) {
      const says = String(error.message ?? error);
      const code = /Code: (\d+)/.exec(says)?.[1] ?? '1002';
      response.writeHead(500, { 'X-ClickHouse-Exception-Code': code });
      response.end(says);
    }
  }));
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
