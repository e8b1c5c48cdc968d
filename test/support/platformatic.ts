const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/** Why the driver `platformatic` cannot run here; undefined where it can. */
export const platformaticLacks =
  (major === 22 && minor >= 22) || (major === 24 && minor >= 6) || major > 24
    ? undefined
    : `@platformatic/kafka runs on Node ≥ 22.22 or ≥ 24.6, this is ${process.versions.node}`;
