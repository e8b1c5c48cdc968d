import { MessagingError, type ExaminationOptions, type Finding, type Transport } from '../contract/index.js';
import type { HandlerDeclaration } from './admission.js';
import { survey, type ExplanationParts, type PublicationDeclaration } from './explanation.js';

/**
 * Looks at a live broker on behalf of these: whether it can be reached and serves them, and what the transport finds.
 * @param open makes the transport that looks, and is closed afterwards
 */
export async function examineConnection(
  parts: ExplanationParts,
  open: () => Transport,
  declarations: readonly HandlerDeclaration[],
  published: readonly PublicationDeclaration[],
  options?: ExaminationOptions,
): Promise<readonly Finding[]> {
  const { handlers, publications, usage } = survey(parts, declarations, published);
  const refused = [...handlers, ...publications].flatMap(({ refusals }) =>
    refusals.map(({ of, message }): Finding => ({ level: 'trouble', about: of, message })),
  );
  const looking = open();
  try {
    await looking.connect();
    const found = await looking.examine(usage, options);
    return [...refused, ...found];
  } catch (error) {
    if (!(error instanceof MessagingError)) throw error;
    return [...refused, { level: 'trouble', about: parts.transport.name, message: error.message }];
  } finally {
    await looking.close();
  }
}
