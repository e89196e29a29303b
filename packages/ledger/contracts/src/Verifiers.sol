// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Deployed once on a chain; an offer names the one that checks its patient's key in the first 20 bytes of `patient` (ERC-7913).
// forge-lint: disable-next-line(unused-import)
import {ERC7913P256Verifier} from "@openzeppelin/contracts/utils/cryptography/verifiers/ERC7913P256Verifier.sol";
// forge-lint: disable-next-line(unused-import)
import {ERC7913WebAuthnVerifier} from "@openzeppelin/contracts/utils/cryptography/verifiers/ERC7913WebAuthnVerifier.sol";
