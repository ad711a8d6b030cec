// response_mode=web_message: hands the answer to the window that opened this one or holds it, and to
// no other origin.
const { origin, response } = document.getElementById("answer").dataset;
const message = { type: "authorization_response", response: JSON.parse(response) };
(window.opener ?? window.parent).postMessage(message, origin);
