// Runs the server scenarios of @modelcontextprotocol/conformance against
// OCTOMESH_MCP_URL: those that MCP_SCENARIOS names; active is all active ones. The suite
// cannot send a key, so the server must take callers without one.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cli = new URL('../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url).pathname;
const url = process.env.OCTOMESH_MCP_URL ?? process.env.OCTOMESH_URL + '/mcp';
const wanted = (process.env.MCP_SCENARIOS ?? 'active').split(',');
const out = mkdtempSync(join(tmpdir(), 'mcp-suite-'));
let failed = 0;

// one runs a part of the suite and tells of each scenario in it.
async function one(...args) {
  const dir = mkdtempSync(join(out, 'run-'));
  let said = '';
  try {
    said = (await run(process.execPath, [cli, 'server', '--url', url, '-o', dir, ...args], { maxBuffer: 64 << 20 })).stdout;
  } catch (e) {
    said = `${e.stdout ?? ''}${e.stderr ?? e}`;
  }
  const results = readdirSync(dir).filter((name) => name.startsWith('server-')).sort();
  if (results.length === 0) {
    failed++;
    console.log(`not ok ${args.join(' ')}: nothing was run: ${said.slice(-500).replaceAll('\n', ' ')}`);
  }
  for (const result of results) {
    const name = result.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    const checks = JSON.parse(readFileSync(join(dir, result, 'checks.json'), 'utf8'));
    const bad = checks.filter((c) => c.status !== 'SUCCESS' && c.status !== 'INFO');
    if (checks.length === 0 || bad.length > 0) {
      failed++;
      console.log(`not ok ${name}: ${JSON.stringify(bad.map((c) => [c.id, c.status, c.errorMessage, c.details]))}`);
    } else {
      console.log(`ok ${name}`);
    }
  }
}

for (const name of wanted) await one(name === 'active' ? '--suite' : '--scenario', name);
rmSync(out, { recursive: true });
process.exit(failed ? 1 : 0);
