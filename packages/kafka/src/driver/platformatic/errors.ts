import { isNativeError } from 'node:util/types';
import { brokerError, DriverError } from '../driver-error.js';
import type { LibraryError } from './library.js';

/** Node's and OpenSSL's codes for a handshake that came to nothing. */
const TLS = /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA)/;

/** What the library rejected with, or the connection ended with. */
export function driverError(error: unknown): DriverError {
  const chain = unwind(error);
  const known = chain.find((each) => each instanceof DriverError);
  if (known) return known;
  const text = describe(chain);
  const find = (test: (each: LibraryError) => boolean): boolean => chain.some(test);

  const answered = chain.find(({ apiCode }) => apiCode !== undefined);
  // Its login is wrapped in a failed connection, and a connection lost during the login in a failed login.
  const login = chain.findIndex(({ code }) => code === 'PLT_KFK_AUTHENTICATION');
  const lost = chain.slice(login + 1).some(({ code }) => code === 'PLT_KFK_NETWORK');
  if (login !== -1 && !lost && answered?.apiCode !== 33) {
    // A token that could not be had may be had later; a refused one stays refused.
    const refused = answered !== undefined || login === chain.length - 1;
    return new DriverError('AUTHENTICATION', text, { retryable: !refused, cause: error });
  }
  if (answered?.apiCode !== undefined) return brokerError(answered.apiCode, text, error);
  // It says in words alone when one of the two speaks TLS and the other does not.
  if (find(({ code, message }) => TLS.test(code ?? '') || /\bTLS\b/.test(message)))
    return new DriverError('TLS', text, { retryable: false, cause: error });
  if (find(({ code }) => code === 'PLT_KFK_NETWORK'))
    return new DriverError('CONNECTION', text, { retryable: true, cause: error });
  if (find(({ code }) => code === 'PLT_KFK_UNSUPPORTED_COMPRESSION'))
    return new DriverError('UNSUPPORTED_COMPRESSION_TYPE', text, { retryable: false, cause: error });
  return new DriverError('UNEXPECTED', text, { retryable: false, cause: error });
}

/** From the outermost to the innermost; of several at once the first. */
function unwind(error: unknown): LibraryError[] {
  const chain: LibraryError[] = [];
  for (let each = error; isNativeError(each) && chain.length < 10;) {
    const one: LibraryError = each;
    chain.push(one);
    each = one.cause ?? one.errors?.[0];
  }
  return chain.length > 0 ? chain : [{ message: String(error) }];
}

function describe(chain: readonly LibraryError[]): string {
  const said = chain.map(({ message, serverErrorMessage }) => serverErrorMessage || message);
  return [...new Set(said.map((each) => each.replace(/\.$/, '')).filter(Boolean))].join(': ');
}
