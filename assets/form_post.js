// OAuth 2.0 Form Post Response Mode: the form leaves by itself. The button is for browsers without scripts.
document.getElementById("answer").submit();
