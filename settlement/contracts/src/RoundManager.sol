// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Disputes} from "./Disputes.sol";
import {RoundBook} from "./RoundBook.sol";
import {RoundTerms} from "./types/RoundTerms.sol";

/// @title Rounds of one federation on its home chain
/// @notice The book of rounds and the disputes about them: see `IRoundManager` and `IDisputes`.
contract RoundManager is Disputes {
    /// @param terms What it is made with.
    constructor(RoundTerms memory terms) RoundBook(terms) Disputes(terms) {}
}
