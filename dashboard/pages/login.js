/** Lets the reader in: a link that works once, or a token pasted by hand. */
import { login, session } from "../lib/api.js";
import { html, signal, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Code, ProblemBox } from "../lib/parts.js";
import { link, parse, route } from "../lib/router.js";

const refused = signal(/** @type {any} */ (null));

/** Uses the code of a login link and takes it out of the address at once. */
export async function takeCode() {
  const code = location.hash.match(/^#login=(.+)$/)?.[1];
  if (!code) return;
  history.replaceState(null, "", link("overview"));
  route.value = parse(location.hash);
  await login({ code: decodeURIComponent(code) }).catch((error) => {
    if (!session.peek()) refused.value = error.body;
  });
}

export function Login() {
  const [token, setToken] = useState("");
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    refused.value = null;
    await login({ token: token.trim() }).catch((error) => (refused.value = error.body));
    setBusy(false);
  };
  return html`<div class="login"><form class="panel" onSubmit=${submit}>
    <header class="login-head"><img src="icon.svg" alt="" width="40" height="40" /><div><h1>Pulsing</h1><p class="faint">Actors, queues and topics of this cluster</p></div></header>
    <div class="pad form">
      <${ProblemBox} problem=${refused.value} />
      <label class="field"><span>Admin token</span><span class="joined"><input type=${shown ? "text" : "password"} value=${token} autofocus autocomplete="current-password" spellcheck=${false} placeholder="paste it here" onInput=${(/** @type {any} */ event) => setToken(event.target.value)} />
        <button type="button" class="button icon-only" aria-label=${shown ? "Hide the token" : "Show the token"} aria-pressed=${shown} onClick=${() => setShown(!shown)}><${Icon} name="eye" /></button></span></label>
      <button type="submit" class="button primary wide" disabled=${!token.trim() || busy}>${busy ? "Logging in…" : "Log in"}</button>
      <div class="login-help"><p>A link that logs in by itself, from a shell on this machine:</p><${Code} text="pulsing dashboard" />
        <p>Or the token: it is in <code>~/.config/pulsing/admin.token</code> of the user that runs the node, or in <code>PULSING_ADMIN_TOKEN</code>.</p><${Code} text="cat ~/.config/pulsing/admin.token" /></div>
    </div></form></div>`;
}
