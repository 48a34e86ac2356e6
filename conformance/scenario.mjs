// What the scripts of this folder share: scenarios that print a line each.
import assert from "node:assert/strict";

export const url = process.env.OCTOMESH_URL;
export const key = process.env.OCTOMESH_KEY;
export { assert };

let failed = 0;

/** scenario runs f and prints "ok name" or "not ok name: why". */
export async function scenario(name, f) {
  try {
    await f();
    console.log(`ok ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok ${name}: ${String(e?.message ?? e).replaceAll("\n", " ")}`);
    console.error(e);
  }
}

/** refused awaits a promise that must be refused, and returns the reason. */
export async function refused(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  throw new Error("it was not refused");
}

export function end() {
  process.exit(failed ? 1 : 0);
}
