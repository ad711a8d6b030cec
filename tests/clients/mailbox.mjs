// A mail server that takes every mail and hands it to the test.

import { EventEmitter, once } from 'node:events';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

/** What a mail may take, in milliseconds. */
const PATIENCE = 30_000;

/** Opens a mailbox for everybody; `settings` are the daemon's that send its mails there. */
export async function openMailbox() {
  const arrivals = new EventEmitter();
  const mails = [];
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, session, done) {
      simpleParser(stream).then((mail) => {
        mails.push(mail);
        arrivals.emit('mail');
        done();
      }, done);
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    settings: {
      GRANTOR_MAIL__SMTP_URL: `smtp://127.0.0.1:${server.server.address().port}`,
      GRANTOR_MAIL__FROM: 'Grantor <grantor@example.com>',
    },
    /** Takes the oldest mail to that address, and waits for one. */
    async take(address) {
      const signal = AbortSignal.timeout(PATIENCE);
      for (;;) {
        const place = mails.findIndex(({ to }) => to.value[0].address === address);
        if (place >= 0) return mails.splice(place, 1)[0];
        await once(arrivals, 'mail', { signal });
      }
    },
    close: () => new Promise((closed) => server.close(closed)),
  };
}
