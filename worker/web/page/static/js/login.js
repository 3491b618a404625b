// Logging in: a token is exchanged for a session; whoever has one already goes on to the dashboard.

import { logIn } from "./api.js";
import { byId, h, show } from "./dom.js";
import { refusal } from "./say.js";
import { t } from "./texts.js";

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = byId("token");
  try {
    await logIn(token.value.trim());
    location.assign("/");
  } catch (error) {
    show(byId("login-refused"), error.status === 401 ? h("strong", {}, t("login.refused")) : refusal(error));
    byId("login-refused").hidden = false;
    token.select();
  }
});

document.body.removeAttribute("aria-busy");
