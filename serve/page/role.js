// What a token may: the buttons that are an operator's alone, and why a reader cannot use them.
import { $ } from "./svg.js";
import { reader } from "./service.js";
import { told } from "./words.js";

const REASON = told({ code: "NotAllowed" });

/** Let each operator's button be used, or say why not; one that waits for something else goes on waiting. */
export function permit() {
  $("role").hidden = !reader();
  for (const button of document.querySelectorAll("button.operator")) {
    button.disabled = reader() || button.dataset.wait === "true";
    if (reader()) Object.assign(button, { title: REASON }).setAttribute("aria-describedby", "role");
    else if (button.title === REASON) {
      button.title = "";
      button.removeAttribute("aria-describedby");
    }
  }
}

/** Let a button wait, or wait no more. */
export function waits(id, does) {
  $(id).dataset.wait = does;
  permit();
}
