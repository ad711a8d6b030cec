# Every text of the pages and mails, in English. A key is in every language or in none, and is used
# somewhere; src/login/texts.rs holds the test. Whoever speaks to people here is plain and calm.

## Words that several pages share

email = E-mail address
password = Password
password-show = Show password
password-hide = Hide password
password-least = { $count ->
    [one] At least one character.
   *[other] At least { $count } characters.
}
password-too-short = { $count ->
    [one] The password needs at least one character.
   *[other] The password needs at least { $count } characters.
}
password-too-long = The password is too long.
password-known = This password appears in lists of stolen passwords. Please choose another one.
password-personal = This password is hardly more than your name or address. Please choose another one.
password-guessable = This password is easily guessed. Several words that have nothing to do with each other are better.
sign-in = Sign in
back-to-sign-in = Back to sign-in
limited = { $count ->
    [one] Too many attempts. Please try again in one minute.
   *[other] Too many attempts. Please try again in { $count } minutes.
}
to-application = to continue to { $application }
unverified = { $brand } could not verify that this request really comes from { $application }. Continue only if you started this yourself.
privacy = Privacy
terms = Terms
secure-host = You are on { $host }

## Lengths of time and days

seconds = { $count ->
    [one] 1 second
   *[other] { $count } seconds
}
minutes = { $count ->
    [one] 1 minute
   *[other] { $count } minutes
}
hours = { $count ->
    [one] 1 hour
   *[other] { $count } hours
}
days = { $count ->
    [one] 1 day
   *[other] { $count } days
}
two-lengths = { $longer } and { $shorter }
date = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }

## Sign in

sign-in-username = E-mail address or user name
sign-in-forgotten = Forgot your password?
sign-in-no-account = No account yet?
sign-in-create = Create an account
sign-in-wrong = This user name or password is wrong. Please try again.
sign-in-blocked = This account is blocked. Please turn to those who run { $brand }.

## Sign up

sign-up-title = Create an account
sign-up-submit = Create account
sign-up-have = Already have an account?
sign-up-email-invalid = This is not an e-mail address.
sign-up-email-refused = No account can be created with this e-mail address. If it is yours already, sign in or reset the password.

## Consent

consent-title = { $application } asks for access to your account
consent-user = You are signed in as { $user }.
consent-host = { $application } will receive the access at { $host }.
consent-this-device = { $application } is a program on this device.
consent-what = This would allow it to
consent-at = At { $api }
consent-about-you = About you
consent-openid = Know who you are
consent-profile = See your profile, such as your name and picture
consent-email = See your e-mail address
consent-phone = See your phone number
consent-address = See your postal address
consent-no-scopes = Act on your behalf, without special permissions
consent-how-long = For how long
consent-access-for = Access lasts { $duration }.
consent-access-up-to = Access lasts { $duration }, or up to { $longest } if { $application } asks for that.
consent-access-or-never = Access lasts { $duration }, or without end if { $application } asks for that.
consent-access-never = Access has no end of its own: it lasts until somebody takes it back.
consent-then-asks = Afterwards { $application } has to send you here again.
consent-renews = { $application } can renew it without you, until you take it back.
consent-renews-for = { $application } can renew it without you for { $duration }.
consent-renews-until = { $application } can renew it without you for { $duration }, until { $date }.
consent-accept = Allow
consent-deny = Do not allow
consent-trust = Allow this only if you trust { $application }.

## Reset the password

reset-title = Reset your password
reset-lead = Enter the e-mail address of your account. We send you a link with which you can choose a new password.
reset-submit = Send the link
reset-sent-title = Look into your mailbox
reset-sent = If there is an account with { $email }, we have sent a link to that address.
reset-sent-valid = The link works for { $duration }.
reset-sent-nothing = Nothing came? Look into your spam folder, and check the address.

new-password-title = Choose a new password
new-password = New password
new-password-submit = Save the password
password-changed-title = Your password is changed
password-changed = From now on the new password counts.

confirm-email-title = Confirm your e-mail address
confirm-email-lead = Did you make the account for { $email }? If you did not, close this page: somebody else may have made it.
confirm-email-submit = Yes, it is mine
email-confirmed-title = Your e-mail address is confirmed
email-confirmed = Thank you. You can close this page.

## Sign out

sign-out-title = Sign out?
sign-out-lead = You are about to sign out of { $brand }.
sign-out-submit = Sign out
sign-out-stay = Stay signed in
still-signed-in-title = You are still signed in
signed-out-title = You are signed out
signed-out = You can close this page.

## Errors

error-request-title = This request cannot be answered
error-request = The application that sent you here has made a mistake. Please go back to it and try again; if it happens once more, tell those who run it.
error-expired-title = This took too long
error-expired = For your safety, a sign-in that is begun has to be finished within a while. Please go back to the application and begin again.
error-link-title = This link does not work
error-link = It has been used already, or it is too old. Ask for a new one.
error-link-new = Ask for a new link
error-forged-title = This was not sent from our page
error-forged = Another site has tried to act in your name, or your browser hides where the request comes from. Nothing has been done.
error-missing-title = There is nothing here
error-missing = Perhaps the address is mistyped, or the link is an old one.
error-server-title = Something went wrong on our side
error-server = It is not your doing. Please try again in a moment.
error-details = Details for those who run the application
error-reference = Reference

## On the way back to the application

going-on-title = Going on to { $application }
going-on = If nothing happens within a few seconds, go on by yourself.
going-on-submit = Continue
going-on-script = This step needs JavaScript. Please switch it on for this page, or go back to the application.

## Mails

mail-hello = Hello,
mail-reset-subject = Choose a new password for { $brand }
mail-reset = Somebody, probably you, has asked to choose a new password for the account with { $email }.
mail-reset-link = Choose a new password
mail-confirm-subject = Confirm your e-mail address for { $brand }
mail-confirm = An account has been created with the address { $email }. Please confirm that it is yours.
mail-confirm-link = Confirm the e-mail address
mail-valid = The link works once, and for { $duration }.
mail-not-you = It was not you? Then you need not do anything: without the link nothing changes.
mail-copy = If the button does not work, copy this address into your browser:
