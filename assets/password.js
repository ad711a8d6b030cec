// Shows and hides what stands in a password field. Without this script there is no button.
for (const button of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  button.hidden = false;
  button.addEventListener("click", () => {
    const show = field.type === "password";
    field.type = show ? "text" : "password";
    button.setAttribute("aria-pressed", String(show));
    button.title = show ? button.dataset.hide : button.dataset.show;
  });
  // A field of type "text" would be kept in the browser's memory of forms.
  field.form.addEventListener("submit", () => {
    field.type = "password";
  });
}
