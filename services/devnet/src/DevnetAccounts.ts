// Development accounts of Anvil and Hardhat, from the mnemonic "test test test test test test test test test test test
// junk". Their keys are public knowledge: they are worth nothing on any network that matters.
//
// Account 0 is left to the default wallet of a developer.

/** Account 9 deploys the contracts and is their authority. */
export const deployerKey = "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"
/** Account 8 pays for the node's fills. Nothing else may send in its name: the node counts its nonces. */
export const nodeKey = "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"
