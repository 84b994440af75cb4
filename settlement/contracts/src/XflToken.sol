// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Reward token of a federation that brings none
/// @notice A plain ERC-20 with 18 decimals whose whole supply goes to a treasury once. Nobody can mint, burn or pause.
contract XflToken is ERC20 {
    /// @notice The treasury's address is zero.
    error ZeroTreasury();
    /// @notice The supply is zero.
    error ZeroSupply();

    /// @param name_ Name shown by wallets.
    /// @param symbol_ Symbol shown by wallets.
    /// @param treasury Receives the whole supply.
    /// @param supply In the smallest unit.
    constructor(string memory name_, string memory symbol_, address treasury, uint256 supply) ERC20(name_, symbol_) {
        if (treasury == address(0)) revert ZeroTreasury();
        if (supply == 0) revert ZeroSupply();
        _mint(treasury, supply);
    }
}
