# Alle Texte der Seiten und Mails auf Deutsch, in der Sie-Form. Siehe en.ftl.

## Was mehrere Seiten brauchen

email = E-Mail-Adresse
password = Passwort
password-show = Passwort anzeigen
password-hide = Passwort verbergen
password-least = { $count ->
    [one] Mindestens ein Zeichen.
   *[other] Mindestens { $count } Zeichen.
}
password-too-short = { $count ->
    [one] Das Passwort braucht mindestens ein Zeichen.
   *[other] Das Passwort braucht mindestens { $count } Zeichen.
}
password-too-long = Das Passwort ist zu lang.
password-known = Dieses Passwort steht in Listen gestohlener Passwörter. Bitte wählen Sie ein anderes.
password-personal = Dieses Passwort ist kaum mehr als Ihr Name oder Ihre Adresse. Bitte wählen Sie ein anderes.
password-guessable = Dieses Passwort ist leicht zu erraten. Besser sind mehrere Wörter, die nichts miteinander zu tun haben.
sign-in = Anmelden
back-to-sign-in = Zurück zur Anmeldung
limited = { $count ->
    [one] Zu viele Versuche. Bitte versuchen Sie es in einer Minute wieder.
   *[other] Zu viele Versuche. Bitte versuchen Sie es in { $count } Minuten wieder.
}
to-application = weiter zu { $application }
unverified = { $brand } konnte nicht überprüfen, ob diese Anfrage wirklich von { $application } stammt. Fahren Sie nur fort, wenn Sie den Vorgang selbst gestartet haben.
privacy = Datenschutz
terms = Nutzungsbedingungen
secure-host = Sie sind auf { $host }

## Dauern und Tage

seconds = { $count ->
    [one] 1 Sekunde
   *[other] { $count } Sekunden
}
minutes = { $count ->
    [one] 1 Minute
   *[other] { $count } Minuten
}
hours = { $count ->
    [one] 1 Stunde
   *[other] { $count } Stunden
}
days = { $count ->
    [one] 1 Tag
   *[other] { $count } Tage
}
two-lengths = { $longer } und { $shorter }
date = { $day }. { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
} { $year }

## Anmelden

sign-in-username = E-Mail-Adresse oder Benutzername
sign-in-forgotten = Passwort vergessen?
sign-in-no-account = Noch kein Konto?
sign-in-create = Konto anlegen
sign-in-wrong = Benutzername oder Passwort ist falsch. Bitte versuchen Sie es noch einmal.
sign-in-blocked = Dieses Konto ist gesperrt. Bitte wenden Sie sich an den Betreiber von { $brand }.

## Konto anlegen

sign-up-title = Konto anlegen
sign-up-submit = Konto anlegen
sign-up-have = Sie haben schon ein Konto?
sign-up-email-invalid = Das ist keine E-Mail-Adresse.
sign-up-email-refused = Mit dieser E-Mail-Adresse kann kein Konto angelegt werden. Falls Sie damit schon eines haben, melden Sie sich an oder setzen Sie das Passwort zurück.

## Zustimmung

consent-title = { $application } bittet um Zugriff auf Ihr Konto
consent-user = Sie sind angemeldet als { $user }.
consent-host = { $application } erhält den Zugriff unter { $host }.
consent-this-device = { $application } ist ein Programm auf diesem Gerät.
consent-what = Damit darf die Anwendung
consent-at = Bei { $api }
consent-about-you = Über Sie
consent-openid = Erfahren, wer Sie sind
consent-profile = Ihr Profil sehen, zum Beispiel Namen und Bild
consent-email = Ihre E-Mail-Adresse sehen
consent-phone = Ihre Telefonnummer sehen
consent-address = Ihre Postanschrift sehen
consent-no-scopes = In Ihrem Namen handeln, ohne besondere Rechte
consent-how-long = Wie lange
consent-access-for = Der Zugriff gilt { $duration }.
consent-access-up-to = Der Zugriff gilt { $duration }, oder bis zu { $longest }, wenn { $application } das verlangt.
consent-access-or-never = Der Zugriff gilt { $duration }, oder ohne Ende, wenn { $application } das verlangt.
consent-access-never = Der Zugriff endet nicht von selbst: Er gilt, bis ihn jemand zurücknimmt.
consent-then-asks = Danach muss { $application } Sie wieder hierher schicken.
consent-renews = { $application } kann ihn ohne Sie erneuern, bis Sie das zurücknehmen.
consent-renews-for = { $application } kann ihn ohne Sie erneuern, noch { $duration }.
consent-renews-until = { $application } kann ihn ohne Sie erneuern, noch { $duration }, bis zum { $date }.
consent-accept = Erlauben
consent-deny = Nicht erlauben
consent-trust = Erlauben Sie das nur, wenn Sie { $application } vertrauen.

## Passwort zurücksetzen

reset-title = Passwort zurücksetzen
reset-lead = Geben Sie die E-Mail-Adresse Ihres Kontos ein. Wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort wählen können.
reset-submit = Link schicken
reset-sent-title = Schauen Sie in Ihr Postfach
reset-sent = Falls es ein Konto mit { $email } gibt, haben wir einen Link an diese Adresse geschickt.
reset-sent-valid = Gültigkeit des Links: { $duration }.
reset-sent-nothing = Nichts angekommen? Schauen Sie in den Spam-Ordner, und prüfen Sie die Adresse.

new-password-title = Neues Passwort wählen
new-password = Neues Passwort
new-password-submit = Passwort speichern
password-changed-title = Ihr Passwort ist geändert
password-changed = Ab jetzt gilt das neue Passwort.

confirm-email-title = E-Mail-Adresse bestätigen
confirm-email-lead = Haben Sie das Konto für { $email } angelegt? Wenn nicht, schließen Sie diese Seite: Jemand anderes kann es angelegt haben.
confirm-email-submit = Ja, es ist meines
email-confirmed-title = Ihre E-Mail-Adresse ist bestätigt
email-confirmed = Vielen Dank. Sie können diese Seite schließen.

## Abmelden

sign-out-title = Abmelden?
sign-out-lead = Sie sind dabei, sich bei { $brand } abzumelden.
sign-out-submit = Abmelden
sign-out-stay = Angemeldet bleiben
still-signed-in-title = Sie sind weiterhin angemeldet
signed-out-title = Sie sind abgemeldet
signed-out = Sie können diese Seite schließen.

## Fehler

error-request-title = Diese Anfrage lässt sich nicht beantworten
error-request = Die Anwendung, von der Sie kommen, hat einen Fehler gemacht. Bitte gehen Sie zurück und versuchen Sie es noch einmal; wenn es wieder geschieht, sagen Sie es dem Betreiber der Anwendung.
error-expired-title = Das hat zu lange gedauert
error-expired = Zu Ihrer Sicherheit muss eine begonnene Anmeldung nach einer Weile abgeschlossen sein. Bitte gehen Sie zurück zur Anwendung und beginnen Sie von vorn.
error-link-title = Dieser Link funktioniert nicht
error-link = Er wurde schon benutzt oder ist zu alt. Fordern Sie einen neuen an.
error-link-new = Neuen Link anfordern
error-forged-title = Das kam nicht von unserer Seite
error-forged = Eine andere Website hat versucht, in Ihrem Namen zu handeln, oder Ihr Browser verschweigt, woher die Anfrage kommt. Es wurde nichts getan.
error-missing-title = Hier ist nichts
error-missing = Vielleicht ist die Adresse vertippt, oder der Link ist veraltet.
error-server-title = Bei uns ist etwas schiefgegangen
error-server = Es liegt nicht an Ihnen. Bitte versuchen Sie es gleich noch einmal.
error-details = Einzelheiten für den Betreiber der Anwendung
error-reference = Kennung

## Auf dem Weg zurück zur Anwendung

going-on-title = Weiter zu { $application }
going-on = Falls in den nächsten Sekunden nichts geschieht, gehen Sie selbst weiter.
going-on-submit = Weiter
going-on-script = Dieser Schritt braucht JavaScript. Bitte schalten Sie es für diese Seite ein, oder gehen Sie zurück zur Anwendung.

## Mails

mail-hello = Guten Tag,
mail-reset-subject = Neues Passwort für { $brand }
mail-reset = jemand, vermutlich Sie, möchte ein neues Passwort für das Konto mit { $email } wählen.
mail-reset-link = Neues Passwort wählen
mail-confirm-subject = Bestätigen Sie Ihre E-Mail-Adresse für { $brand }
mail-confirm = mit der Adresse { $email } wurde ein Konto angelegt. Bitte bestätigen Sie, dass es Ihre ist.
mail-confirm-link = E-Mail-Adresse bestätigen
mail-valid = Der Link funktioniert einmal. Gültigkeit: { $duration }.
mail-not-you = Sie waren das nicht? Dann brauchen Sie nichts zu tun: Ohne den Link ändert sich nichts.
mail-copy = Falls die Schaltfläche nicht funktioniert, kopieren Sie diese Adresse in Ihren Browser:
