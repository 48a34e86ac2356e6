// The page's address, its key and its buttons. Scripts of this page are files,
// never text in it; they ask this server and no other.
"use strict";

const octo = {
  /** The address of the server and project: /docs of http://h/shop/docs is http://h/shop. */
  url: new URL(".", location.href).href.replace(/\/$/, ""),
  key: sessionStorage.getItem("octomesh.key") ?? "",
  headers() {
    return this.key ? { "X-API-Key": this.key } : {};
  },
  fill(name, value) {
    for (const e of document.querySelectorAll(`[data-fill="${name}"]`)) e.textContent = value;
  },
  /** Shows the examples with an entity of this project. */
  entity(name, collection) {
    this.fill("entity", name);
    this.fill("collection", collection);
    this.fill("plural", name[0].toLowerCase() + name.slice(1) + "s");
  },
};

octo.fill("url", octo.url);
octo.fill("ws", octo.url.replace(/^http/, "ws"));
octo.fill("host", location.hostname);

const secret = document.getElementById("secret");
const forget = document.getElementById("forget");
const known = document.getElementById("known");

function useKey(key) {
  octo.key = key;
  if (key) sessionStorage.setItem("octomesh.key", key);
  else sessionStorage.removeItem("octomesh.key");
  secret.value = "";
  forget.hidden = !key;
  known.textContent = key
    ? `Calls are sent with the key ${key.slice(0, 16)}…, which this tab forgets when it is closed.`
    : "Without a key the reference shows the server’s own routes only. The key stays in this tab.";
  document.dispatchEvent(new CustomEvent("octo-key"));
}

document.getElementById("key").addEventListener("submit", (e) => {
  e.preventDefault();
  if (secret.value.trim()) useKey(secret.value.trim());
});
forget.addEventListener("click", () => useKey(""));

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const text = button.closest(".call").querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without TLS there is no clipboard: the text is selected instead.
      getSelection().selectAllChildren(button.closest(".call").querySelector("code"));
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}

addEventListener("DOMContentLoaded", () => useKey(octo.key));
