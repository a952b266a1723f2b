/** The dialogs of the task page. The browser's own <dialog> keeps the focus inside and closes on Escape. */

let afterwards = () => {};

/** Where the focus goes when a dialog has closed. @param {() => void} listener */
export function onDialogClosed(listener) {
  afterwards = listener;
}

/** Whether any dialog is open. */
export function dialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}

/** @param {string} id */
export function openDialog(id) {
  if (dialogOpen()) return;
  document.getElementById(id).showModal();
}

/** @param {string} id */
export function closeDialog(id) {
  document.getElementById(id).close();
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => afterwards());
  for (const button of dialog.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => dialog.close());
  }
}

/**
 * The dialog that asks why a task is declined.
 * @param {(reason: string) => void} onDecline
 */
export function setUpDecline(onDecline) {
  const form = document.getElementById("decline-form");
  const words = document.getElementById("decline-words");
  const other = form.querySelector("[data-other]");
  const check = () => {
    words.required = other.checked;
  };
  form.addEventListener("change", check);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form).get("reason");
    const text = words.value.trim();
    closeDialog("decline");
    onDecline(other.checked ? text : [chosen, text].filter(Boolean).join(": "));
    form.reset();
    check();
  });
}
