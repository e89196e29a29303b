import type { Language } from '../people/index.ts';

/** To whom a mail about an alert is written. */
export type AlertVariant = 'patient' | 'doctor';

/** The words of one mail: whole sentences, no measurement, no rate, no score, no name but the recipient's. */
export interface MailText {
  readonly subject: string;
  readonly greeting: (name: string) => string;
  readonly notice: string;
  readonly link: string;
  readonly whatToDo: string;
  readonly steps: readonly string[];
  readonly disclaimer: string;
  readonly privacy: string;
}

/**
 * What an alert's mail says. The subject says nothing about health, since phones show it on locked screens. Written
 * after the advice of screening products (FDA DEN180042: opportunistic, not diagnostic, not for emergencies).
 */
export const mailTexts: Readonly<Record<Language, Readonly<Record<AlertVariant, MailText>>>> = {
  en: {
    patient: {
      subject: 'Pulsemesh: there is a notice for you',
      greeting: (name) => `Dear ${name},`,
      notice: 'Pulsemesh has noticed something in your recording that deserves a look.',
      link: 'See the notice on your page:',
      whatToDo: 'What to do',
      steps: [
        'Open the page, look at the notice and acknowledge it.',
        'Talk to your doctor about it at the next opportunity, also when you feel well.',
        'If you feel unwell – pain or pressure in the chest, shortness of breath, fainting, sudden weakness or ' +
          'trouble speaking – call your local emergency number now. Do not wait for this program.',
      ],
      disclaimer:
        'This is screening, not diagnosis. The program can be wrong, and silence does not mean that all is well.',
      privacy: 'This mail holds no measurements on purpose: mail is not private.',
    },
    doctor: {
      subject: 'Pulsemesh: there is a notice about one of your patients',
      greeting: (name) => `Dear ${name},`,
      notice: 'Pulsemesh has noticed something in the recording of one of your patients that deserves a look.',
      link: 'See the notice and the recording:',
      whatToDo: 'What to do',
      steps: [
        'Open the page and judge the recording yourself.',
        'Acknowledge the notice, so that others see it is in hand.',
        'Do not rely on this mail in an emergency: it may arrive late or not at all.',
      ],
      disclaimer:
        'This is screening, not diagnosis. The program can be wrong, and silence does not mean that all is well.',
      privacy: 'This mail names no patient and holds no measurements on purpose: mail is not private.',
    },
  },
  de: {
    patient: {
      subject: 'Pulsemesh: Es gibt einen Hinweis für Sie',
      greeting: (name) => `Guten Tag ${name},`,
      notice: 'Pulsemesh hat in Ihrer Aufzeichnung etwas bemerkt, das Sie sich ansehen sollten.',
      link: 'Der Hinweis auf Ihrer Seite:',
      whatToDo: 'Was Sie tun können',
      steps: [
        'Öffnen Sie die Seite, sehen Sie sich den Hinweis an und bestätigen Sie ihn.',
        'Sprechen Sie bei nächster Gelegenheit mit Ihrer Ärztin oder Ihrem Arzt darüber, auch wenn es Ihnen gut geht.',
        'Wenn Sie sich unwohl fühlen – Schmerz oder Druck in der Brust, Atemnot, Ohnmacht, plötzliche Schwäche oder ' +
          'Sprachstörungen –, rufen Sie sofort den Notruf. Warten Sie nicht auf dieses Programm.',
      ],
      disclaimer:
        'Dies ist eine Vorsorgeprüfung, keine Diagnose. Das Programm kann sich irren, und Stille heißt nicht, dass alles in Ordnung ist.',
      privacy: 'Diese E-Mail enthält absichtlich keine Messwerte: E-Mail ist nicht vertraulich.',
    },
    doctor: {
      subject: 'Pulsemesh: Es gibt einen Hinweis zu einer von Ihnen betreuten Person',
      greeting: (name) => `Guten Tag ${name},`,
      notice:
        'Pulsemesh hat in der Aufzeichnung einer von Ihnen betreuten Person etwas bemerkt, das Sie sich ansehen sollten.',
      link: 'Der Hinweis und die Aufzeichnung:',
      whatToDo: 'Was Sie tun können',
      steps: [
        'Öffnen Sie die Seite und beurteilen Sie die Aufzeichnung selbst.',
        'Bestätigen Sie den Hinweis, damit andere sehen, dass sich jemand kümmert.',
        'Verlassen Sie sich im Notfall nicht auf diese E-Mail: Sie kann spät oder gar nicht ankommen.',
      ],
      disclaimer:
        'Dies ist eine Vorsorgeprüfung, keine Diagnose. Das Programm kann sich irren, und Stille heißt nicht, dass alles in Ordnung ist.',
      privacy: 'Diese E-Mail nennt absichtlich weder Namen noch Messwerte: E-Mail ist nicht vertraulich.',
    },
  },
  fr: {
    patient: {
      subject: 'Pulsemesh : un avis vous attend',
      greeting: (name) => `Bonjour ${name},`,
      notice: 'Pulsemesh a remarqué dans votre enregistrement quelque chose qui mérite un regard.',
      link: 'Voir l’avis sur votre page :',
      whatToDo: 'Que faire',
      steps: [
        'Ouvrez la page, regardez l’avis et confirmez l’avoir vu.',
        'Parlez-en à votre médecin à la prochaine occasion, même si vous vous sentez bien.',
        'Si vous vous sentez mal – douleur ou oppression dans la poitrine, essoufflement, malaise, faiblesse soudaine ou ' +
          'difficulté à parler –, appelez tout de suite le numéro d’urgence. N’attendez pas ce programme.',
      ],
      disclaimer:
        'Ceci est un dépistage, pas un diagnostic. Le programme peut se tromper, et le silence ne veut pas dire que tout va bien.',
      privacy: 'Ce message ne contient volontairement aucune mesure : le courrier électronique n’est pas confidentiel.',
    },
    doctor: {
      subject: 'Pulsemesh : un avis concerne un de vos patients',
      greeting: (name) => `Bonjour ${name},`,
      notice:
        'Pulsemesh a remarqué dans l’enregistrement d’une personne que vous suivez quelque chose qui mérite un regard.',
      link: 'Voir l’avis et l’enregistrement :',
      whatToDo: 'Que faire',
      steps: [
        'Ouvrez la page et jugez vous-même de l’enregistrement.',
        'Confirmez l’avis, pour que les autres voient que quelqu’un s’en occupe.',
        'En cas d’urgence, ne comptez pas sur ce message : il peut arriver tard, ou pas du tout.',
      ],
      disclaimer:
        'Ceci est un dépistage, pas un diagnostic. Le programme peut se tromper, et le silence ne veut pas dire que tout va bien.',
      privacy:
        'Ce message ne nomme volontairement personne et ne contient aucune mesure : le courrier électronique n’est pas confidentiel.',
    },
  },
};
