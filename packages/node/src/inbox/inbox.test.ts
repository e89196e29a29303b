import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { get, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { createSmtpTransport, type MailTransport } from '@pulsemesh/vitals/mail';
import { describe, expect, it } from 'vitest';
import { type Inbox, type InboxOptions, startInbox } from './inbox.ts';

const clock = createSystemClock({ unref: true });

class Setting implements AsyncDisposable {
  readonly directory: string;
  readonly #stack = new AsyncDisposableStack();

  constructor(directory: string) {
    this.directory = directory;
    this.#stack.defer(() => rm(directory, { recursive: true, force: true }));
  }

  async inbox(options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const { directory } = this;
    return this.#stack.use(
      await startInbox({ smtpPort: 0, httpPort: 0, directory, ...options }, { clock, logger: silentLogger }),
    );
  }

  transport(inbox: Inbox): MailTransport {
    const options = { host: '127.0.0.1', port: inbox.smtpPort, secure: false };
    return this.#stack.adopt(createSmtpTransport(options), (transport) => transport.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function createSetting(): Promise<Setting> {
  return new Setting(await mkdtemp(join(tmpdir(), 'pulsemesh-inbox-')));
}

function mail(number: number, text = 'Guten Tag', subject = `Notice ${number}`) {
  return {
    messageId: `mail-${number}@pulsemesh`,
    from: 'Pulsemesh <alerts@example.org>',
    to: { name: 'Ada Grün', address: 'ada@example.org' },
    subject,
    text,
    html: '<p>html</p>',
    language: 'de',
  };
}

async function fetchText(inbox: Inbox, path: string): Promise<{ status: number; body: string; headers: Headers }> {
  const response = await fetch(`http://127.0.0.1:${inbox.httpPort}${path}`);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

/** Sends a raw mail and gives the server's answers, for what a well-behaved client would never send. */
function speak(inbox: Inbox, raw: string): Promise<string> {
  const turns = ['EHLO me', 'MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.org>', 'DATA', `${raw}\r\n.`, 'QUIT'];
  return new Promise((resolve, reject) => {
    const socket = connect(inbox.smtpPort, '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString();
      // The last line of an answer has a space after its code; then it is our turn.
      if (/^\d{3} [^\n]*\n$/m.test(heard.slice(heard.lastIndexOf('\n', heard.length - 2) + 1))) {
        const turn = turns.shift();
        if (turn !== undefined) socket.write(`${turn}\r\n`);
      }
    });
    socket.on('close', () => resolve(heard));
    socket.on('error', reject);
  });
}

describe('the inbox', () => {
  it('takes a mail, shows it as text, and has it again after a restart', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox();
    await setting.transport(inbox).send(mail(1, 'Grüße\nhttp://localhost:1/#/alerts/ab.'));
    const [message] = inbox.messages();
    expect(message).toMatchObject({
      messageId: 'mail-1@pulsemesh',
      to: 'Ada Grün <ada@example.org>',
      subject: 'Notice 1',
    });
    expect((await fetchText(inbox, '/')).body).toContain('Notice 1');
    const page = (await fetchText(inbox, `/messages/${message?.id}`)).body;
    expect(page).toContain('Grüße');
    expect(page).toContain('<a href="http://localhost:1/#/alerts/ab" target="_blank" rel="noopener noreferrer">');
    const json = JSON.parse((await fetchText(inbox, '/messages.json')).body) as { messages: unknown[] };
    expect(json.messages).toEqual([message]);
    await inbox[Symbol.asyncDispose]();
    const again = await setting.inbox();
    expect(again.messages()).toEqual([message]);
  });

  it('shows a mail once that is offered twice under one Message-ID, also after a restart', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox();
    const transport = setting.transport(inbox);
    await Promise.all([transport.send(mail(1)), transport.send(mail(1)), transport.send(mail(2))]);
    expect(inbox.messages()).toHaveLength(2);
    await inbox[Symbol.asyncDispose]();
    const again = await setting.inbox();
    await setting.transport(again).send(mail(1));
    expect(again.messages()).toHaveLength(2);
  });

  it('drops the oldest mail past its limit, on the disk too', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox({ messagesMax: 3 });
    const transport = setting.transport(inbox);
    for (let number = 1; number <= 5; number += 1) await transport.send(mail(number));
    expect(inbox.messages().map((message) => message.subject)).toEqual(['Notice 5', 'Notice 4', 'Notice 3']);
    expect(await readdir(setting.directory)).toHaveLength(3);
  });

  it('refuses a mail past its size and keeps none of it', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox({ messageBytesMax: 2000 });
    await expect(setting.transport(inbox).send(mail(1, 'x'.repeat(4000)))).rejects.toMatchObject({
      code: 'mail-refused',
    });
    // A client that does not announce the size finds out at the end.
    expect(await speak(inbox, `Subject: long\r\n\r\n${'y'.repeat(60)}\r\n`.repeat(50))).toMatch(/^552/m);
    expect(inbox.messages()).toEqual([]);
  });

  it('takes what is no proper mail without stumbling', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox();
    for (const raw of [
      '',
      'no headers at all',
      'Message-ID: \r\n <folded@id>\r\nSubject: =?utf-8?q?broken',
      '\u0000\u0001',
    ]) {
      expect(await speak(inbox, raw)).toMatch(/^250 Taken/m);
    }
    expect(inbox.messages()).toHaveLength(4);
    expect(inbox.messages().map((message) => message.messageId)).toContain('folded@id');
    expect((await fetchText(inbox, '/')).status).toBe(200);
  });

  it('ignores what a crash left half written, and foreign files', async () => {
    await using setting = await createSetting();
    await writeFile(join(setting.directory, '000000000000001-0123456789abcdef.eml.partial'), 'half');
    await writeFile(join(setting.directory, 'notes.txt'), 'mine');
    const inbox = await setting.inbox();
    expect(inbox.messages()).toEqual([]);
    expect(await readdir(setting.directory)).toEqual(['notes.txt']);
  });

  it('escapes everything a sender wrote', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox();
    const nasty = `<script>alert(1)</script><img src=x onerror=alert(2)>"'javascript:alert(3) http://a/"onmouseover="x`;
    await setting.transport(inbox).send({ ...mail(1, nasty, nasty), to: { name: nasty, address: 'a@example.org' } });
    const [message] = inbox.messages();
    for (const path of ['/', `/messages/${message?.id}`]) {
      const { body, headers } = await fetchText(inbox, path);
      expect(body).not.toMatch(/<script>|<img|"onmouseover|href="javascript/);
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('answers only to its own name, only to reading, and only for what is there', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox();
    const status = (options: object) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port: inbox.httpPort, path: '/', ...options }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asked.on('error', reject);
        asked.end();
      });
    expect(await status({ headers: { host: 'evil.example' } })).toBe(421);
    expect(await status({ headers: { host: `localhost:${inbox.httpPort}` } })).toBe(200);
    expect(await status({ method: 'POST' })).toBe(405);
    expect(await status({ path: '/messages/../../etc/passwd' })).toBe(404);
    expect(await status({ path: '/style.css' })).toBe(200);
  });

  it('tells an open page when a mail comes', async () => {
    await using setting = await createSetting();
    const inbox = await setting.inbox();
    const heard = new Promise<string>((resolve, reject) => {
      const asked = get({ host: '127.0.0.1', port: inbox.httpPort, path: '/events' }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.includes('retry') && !text.includes('mail'))
            void setting.transport(inbox).send(mail(1)).catch(reject);
          if (text.includes('event: mail')) {
            resolve(text);
            asked.destroy();
          }
        });
      });
      asked.on('error', reject);
    });
    expect(await heard).toContain('event: mail');
  });
});
