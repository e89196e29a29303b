import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { languages } from '../people/index.ts';
import { composeMail, messageIdOf } from './compose.ts';
import { researcherNoticeKinds } from './researcher-texts.ts';
import { mailTexts } from './texts.ts';

const alertId = 'ab'.repeat(16);
const options = { from: 'Pulsemesh <p@example.org>', pageUrl: 'https://page.example.org/base/' };
const variants = ['patient', 'doctor'] as const;
const everyMail = languages.flatMap((language) =>
  variants.map((variant) =>
    composeMail({ alertId, variant, person: { name: 'Ada', email: 'ada@example.org', language } }, options),
  ),
);

describe('a mail about an alert', () => {
  it('holds a link and no measurement, in every language and for both readers', () => {
    for (const mail of everyMail) {
      expect(mail.text).toContain(`https://page.example.org/base/#/alerts/${alertId}`);
      expect(mail.html).toContain(`href="https://page.example.org/base/#/alerts/${alertId}"`);
      const words = `${mail.subject} ${mail.text.replaceAll(alertId, '')}`;
      expect(words).not.toMatch(/\d/);
      expect(words).not.toMatch(
        /bpm|rhythm|rhythmus|rythme|atrial|fibrill|irregular|unregelmäßig|irrégul|score|probab/i,
      );
      expect(mail.text).toMatch(/not diagnosis|keine Diagnose|pas un diagnostic/);
    }
  });

  it('has a subject that tells a locked screen nothing about health', () => {
    for (const mail of everyMail)
      expect(mail.subject).not.toMatch(/heart|herz|cœur|coeur|pulse\b|puls\b|doctor|alarm/i);
  });

  it('says each thing in each language in words of its own', () => {
    for (const variant of variants) {
      const notices = languages.map((language) => mailTexts[language][variant].notice);
      expect(new Set(notices).size).toBe(languages.length);
      for (const language of languages) expect(mailTexts[language][variant].steps).toHaveLength(3);
    }
  });

  it('tells researchers what happened in each language, of nobody and of no study', () => {
    const mails = languages.flatMap((language) =>
      researcherNoticeKinds.map((kind) => {
        const person = { name: 'Institute', email: 'ada@example.org', language };
        return composeMail({ alertId, variant: `researcher-${kind}`, person }, options);
      }),
    );
    expect(new Set(mails.map(({ text }) => text)).size).toBe(languages.length * researcherNoticeKinds.length);
    for (const { text, subject } of mails) {
      expect(text).toContain('https://page.example.org/base/#/\n');
      expect(`${subject} ${text}`).not.toMatch(/\d|heart|herz|cœur|pulse\b|rhythm/i);
    }
  });

  it('is named by alert and recipient alone', () => {
    expect(messageIdOf(alertId, 'Ada@Example.org')).toBe(messageIdOf(alertId, 'ada@example.org'));
    expect(messageIdOf(alertId, 'bo@example.org')).not.toBe(messageIdOf(alertId, 'ada@example.org'));
    expect(messageIdOf(alertId, 'ada@example.org')).toMatch(/^[0-9a-f]{32}\.[0-9a-f]{16}@pulsemesh$/);
    expect(messageIdOf(alertId, 'ada@example.org')).not.toContain('ada');
  });

  it('lets no name write markup', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const person = { name: `<script>${name}"'`, email: 'ada@example.org', language: 'en' } as const;
        const { html } = composeMail({ alertId, variant: 'patient', person }, options);
        expect(html).not.toContain('<script');
        expect(html.match(/<a /g)).toHaveLength(1);
      }),
    );
  });
});
