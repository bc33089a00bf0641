import { describe, expect, test } from 'vitest'
import { ScramLogin } from './scram.ts'

/** The example of RFC 7677, section 3. */
const NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_FIRST = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
const CLIENT_FINAL =
  'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

function login(): ScramLogin {
  return new ScramLogin('SCRAM-SHA-256', 'user', 'pencil', NONCE)
}

describe('SCRAM', () => {
  test('says what the RFC says, and believes a server that knows the password', async () => {
    const scram = login()
    expect(scram.firstMessage).toBe(`n,,n=user,r=${NONCE}`)
    expect(await scram.finalMessage(SERVER_FIRST)).toBe(CLIENT_FINAL)
    scram.verify(SERVER_FINAL)
  })

  test('writes every comma and every equals sign of a name so that it is none', () => {
    const { firstMessage } = new ScramLogin('SCRAM-SHA-512', 'a,b=c,d=', 'secret', 'nonce')
    expect(firstMessage).toBe('n,,n=a=2Cb=3Dc=2Cd=3D,r=nonce')
  })

  test.each([
    ['another signature', 'v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='],
    ['a signature that is cut off', 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9'],
    ['no signature', 'v='],
    ['nothing', ''],
    ['something else', 'x=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='],
  ])('does not believe a server that sends %s', async (_, message) => {
    const scram = login()
    await scram.finalMessage(SERVER_FIRST)
    expect(() => scram.verify(message)).toThrow('does not prove that it knows the password')
  })

  test('does not believe a server before it was asked', () => {
    expect(() => login().verify('v=')).toThrow('does not prove')
  })

  test('tells the error that a server names', async () => {
    const scram = login()
    await scram.finalMessage(SERVER_FIRST)
    expect(() => scram.verify('e=invalid-proof')).toThrow('invalid-proof')
  })

  test.each([
    ['nothing', '', 'no message of SCRAM'],
    ['an extension that must be understood', `m=what,${SERVER_FIRST}`, 'no message of SCRAM'],
    ['no salt', `r=${NONCE}more,s=,i=4096`, 'no message of SCRAM'],
    ['a salt that is none', `r=${NONCE}more,s=%,i=4096`, 'no message of SCRAM'],
    ['no iterations', `r=${NONCE}more,s=QUJD`, 'no message of SCRAM'],
    ['iterations that are no number', `r=${NONCE}more,s=QUJD,i=4096x`, 'no message of SCRAM'],
    ['another nonce', 'r=another,s=QUJD,i=4096', 'to another login'],
    ['our nonce with nothing of its own', `r=${NONCE},s=QUJD,i=4096`, 'to another login'],
    ['too few iterations, which are easy to guess from', `r=${NONCE}more,s=QUJD,i=4095`, '4095 iterations'],
    ['so many iterations that we are kept busy', `r=${NONCE}more,s=QUJD,i=99999999999`, '99999999999 iterations'],
  ])('answers nothing to %s', async (_, message, reason) => {
    await expect(login().finalMessage(message)).rejects.toThrow(reason)
  })
})
