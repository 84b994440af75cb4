// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";

/// @notice Takes one percent of every transfer from what arrives.
contract FeeToken is ERC20("Fee", "FEE") {
    constructor(address treasury, uint256 supply) {
        _mint(treasury, supply);
    }

    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : value / 100;
        super._update(from, to, value - fee);
        if (fee > 0) super._update(from, address(0), fee);
    }
}

/// @notice Moves money but returns nothing, like the oldest tokens.
contract SilentToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(address treasury, uint256 supply) {
        balanceOf[treasury] = supply;
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// @notice Returns false instead of moving money.
contract RefusingToken is ERC20("Refusing", "NO") {
    constructor(address treasury, uint256 supply) {
        _mint(treasury, supply);
    }

    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Refuses to pay one address.
contract BlockingToken is ERC20("Blocking", "BLK") {
    address private immutable _blocked;

    error Blocked(address account);

    constructor(address treasury, uint256 supply, address blocked) {
        _mint(treasury, supply);
        _blocked = blocked;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (to == _blocked) revert Blocked(to);
        super._update(from, to, value);
    }
}

/// @notice Calls back into its caller with prepared calldata while it transfers, and remembers how that ended.
contract ReentrantToken is ERC20("Reentrant", "RE") {
    bytes private _attack;
    bool public attacked;
    bool public succeeded;
    bytes public answer;

    constructor(address treasury, uint256 supply) {
        _mint(treasury, supply);
    }

    function arm(bytes calldata attack) external {
        _attack = attack;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (_attack.length > 0 && !attacked) {
            attacked = true;
            (succeeded, answer) = msg.sender.call(_attack);
        }
        return super.transfer(to, value);
    }
}

/// @notice Its balances shrink when its issuer says so.
contract RebasingToken is ERC20("Rebasing", "RB") {
    constructor(address treasury, uint256 supply) {
        _mint(treasury, supply);
    }

    function shrink(address account, uint256 value) external {
        _burn(account, value);
    }
}
