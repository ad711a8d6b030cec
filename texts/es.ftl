# Todos los textos de las páginas y los correos en español, de usted. Véase en.ftl.

## Lo que comparten varias páginas

email = Correo electrónico
password = Contraseña
password-show = Mostrar la contraseña
password-hide = Ocultar la contraseña
password-least = { $count ->
    [one] Al menos un carácter.
   *[other] Al menos { $count } caracteres.
}
password-too-short = { $count ->
    [one] La contraseña necesita al menos un carácter.
   *[other] La contraseña necesita al menos { $count } caracteres.
}
password-too-long = La contraseña es demasiado larga.
password-known = Esta contraseña figura en listas de contraseñas robadas. Elija otra, por favor.
password-personal = Esta contraseña es poco más que su nombre o su dirección. Elija otra, por favor.
password-guessable = Esta contraseña se adivina con facilidad. Son mejores varias palabras que no tengan relación entre sí.
sign-in = Iniciar sesión
back-to-sign-in = Volver al inicio de sesión
limited = { $count ->
    [one] Demasiados intentos. Vuelva a intentarlo dentro de un minuto.
   *[other] Demasiados intentos. Vuelva a intentarlo dentro de { $count } minutos.
}
to-application = para continuar en { $application }
unverified = { $brand } no ha podido comprobar que esta solicitud proceda realmente de { $application }. Continúe solo si la ha iniciado usted.
privacy = Privacidad
terms = Condiciones
secure-host = Está en { $host }

## Duraciones y días

seconds = { $count ->
    [one] 1 segundo
   *[other] { $count } segundos
}
minutes = { $count ->
    [one] 1 minuto
   *[other] { $count } minutos
}
hours = { $count ->
    [one] 1 hora
   *[other] { $count } horas
}
days = { $count ->
    [one] 1 día
   *[other] { $count } días
}
two-lengths = { $longer } y { $shorter }
date = { $day } de { $month ->
    [1] enero
    [2] febrero
    [3] marzo
    [4] abril
    [5] mayo
    [6] junio
    [7] julio
    [8] agosto
    [9] septiembre
    [10] octubre
    [11] noviembre
   *[12] diciembre
} de { $year }

## Iniciar sesión

sign-in-username = Correo electrónico o nombre de usuario
sign-in-forgotten = ¿Ha olvidado su contraseña?
sign-in-no-account = ¿Aún no tiene cuenta?
sign-in-create = Crear una cuenta
sign-in-wrong = El usuario o la contraseña no son correctos. Vuelva a intentarlo.
sign-in-blocked = Esta cuenta está bloqueada. Diríjase a quienes administran { $brand }.

## Crear una cuenta

sign-up-title = Crear una cuenta
sign-up-submit = Crear cuenta
sign-up-have = ¿Ya tiene cuenta?
sign-up-email-invalid = Esto no es una dirección de correo electrónico.
sign-up-email-refused = No se puede crear una cuenta con esta dirección. Si ya tiene una con ella, inicie sesión o restablezca la contraseña.

## Consentimiento

consent-title = { $application } solicita acceso a su cuenta
consent-user = Ha iniciado sesión como { $user }.
consent-host = { $application } recibirá el acceso en { $host }.
consent-this-device = { $application } es un programa de este dispositivo.
consent-what = Con ello podría
consent-at = En { $api }
consent-about-you = Sobre usted
consent-openid = Saber quién es usted
consent-profile = Ver su perfil, por ejemplo su nombre y su imagen
consent-email = Ver su correo electrónico
consent-phone = Ver su número de teléfono
consent-address = Ver su dirección postal
consent-no-scopes = Actuar en su nombre, sin permisos especiales
consent-how-long = Durante cuánto tiempo
consent-access-for = El acceso dura { $duration }.
consent-access-up-to = El acceso dura { $duration }, o hasta { $longest } si { $application } lo pide.
consent-access-or-never = El acceso dura { $duration }, o no tiene fin si { $application } lo pide.
consent-access-never = El acceso no termina por sí solo: dura hasta que alguien lo retire.
consent-then-asks = Después, { $application } tendrá que enviarle aquí de nuevo.
consent-renews = { $application } puede renovarlo sin usted, hasta que usted lo retire.
consent-renews-for = { $application } puede renovarlo sin usted durante { $duration }.
consent-renews-until = { $application } puede renovarlo sin usted durante { $duration }, hasta el { $date }.
consent-accept = Permitir
consent-deny = No permitir
consent-trust = Permítalo solo si confía en { $application }.

## Restablecer la contraseña

reset-title = Restablecer la contraseña
reset-lead = Escriba el correo electrónico de su cuenta. Le enviaremos un enlace con el que podrá elegir una contraseña nueva.
reset-submit = Enviar el enlace
reset-sent-title = Mire en su buzón
reset-sent = Si existe una cuenta con { $email }, hemos enviado un enlace a esa dirección.
reset-sent-valid = El enlace es válido durante { $duration }.
reset-sent-nothing = ¿No ha llegado nada? Mire en la carpeta de correo no deseado y compruebe la dirección.

new-password-title = Elija una contraseña nueva
new-password = Contraseña nueva
new-password-submit = Guardar la contraseña
password-changed-title = Su contraseña ha cambiado
password-changed = A partir de ahora vale la contraseña nueva.

confirm-email-title = Confirme su correo electrónico
confirm-email-lead = ¿Ha creado usted la cuenta de { $email }? Si no, cierre esta página: puede haberla creado otra persona.
confirm-email-submit = Sí, es mía
email-confirmed-title = Su correo electrónico está confirmado
email-confirmed = Gracias. Puede cerrar esta página.

## Cerrar sesión

sign-out-title = ¿Cerrar sesión?
sign-out-lead = Está a punto de cerrar su sesión en { $brand }.
sign-out-submit = Cerrar sesión
sign-out-stay = Seguir con la sesión
still-signed-in-title = Su sesión sigue abierta
signed-out-title = Ha cerrado la sesión
signed-out = Puede cerrar esta página.

## Errores

error-request-title = No se puede responder a esta solicitud
error-request = La aplicación que le ha enviado aquí ha cometido un error. Vuelva a ella e inténtelo de nuevo; si ocurre otra vez, avise a quienes la administran.
error-expired-title = Ha tardado demasiado
error-expired = Por su seguridad, un inicio de sesión comenzado debe terminarse al cabo de un rato. Vuelva a la aplicación y empiece de nuevo.
error-link-title = Este enlace no funciona
error-link = Ya se ha usado, o es demasiado antiguo. Pida uno nuevo.
error-link-new = Pedir un enlace nuevo
error-forged-title = Esto no se envió desde nuestra página
error-forged = Otro sitio ha intentado actuar en su nombre, o su navegador oculta de dónde viene la solicitud. No se ha hecho nada.
error-missing-title = Aquí no hay nada
error-missing = Quizá la dirección esté mal escrita, o el enlace sea antiguo.
error-server-title = Algo ha fallado por nuestra parte
error-server = No es culpa suya. Vuelva a intentarlo dentro de un momento.
error-details = Detalles para quienes administran la aplicación
error-reference = Referencia

## De vuelta a la aplicación

going-on-title = De camino a { $application }
going-on = Si no ocurre nada en unos segundos, continúe usted.
going-on-submit = Continuar
going-on-script = Este paso necesita JavaScript. Actívelo para esta página, o vuelva a la aplicación.

## Correos

mail-hello = Hola:
mail-reset-subject = Elija una contraseña nueva para { $brand }
mail-reset = Alguien, probablemente usted, ha pedido elegir una contraseña nueva para la cuenta con { $email }.
mail-reset-link = Elegir una contraseña nueva
mail-confirm-subject = Confirme su correo electrónico para { $brand }
mail-confirm = Se ha creado una cuenta con la dirección { $email }. Confirme, por favor, que es suya.
mail-confirm-link = Confirmar el correo electrónico
mail-valid = El enlace funciona una sola vez, durante { $duration }.
mail-not-you = ¿No ha sido usted? Entonces no tiene que hacer nada: sin el enlace no cambia nada.
mail-copy = Si el botón no funciona, copie esta dirección en su navegador:
