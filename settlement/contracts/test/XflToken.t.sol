// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {XflToken} from "../src/XflToken.sol";
import {Test} from "./support/Test.sol";

contract XflTokenTest is Test {
    function test_supplyGoesToTheTreasuryOnce(uint256 supply) public {
        supply = bound(supply, 1, type(uint256).max);
        XflToken token = new XflToken("Federation reward", "FR", address(0x7EA5), supply);
        assertEq(token.totalSupply(), supply, "supply");
        assertEq(token.balanceOf(address(0x7EA5)), supply, "treasury");
        assertEq(token.decimals(), 18, "decimals");
        assertEq(keccak256(bytes(token.name())), keccak256("Federation reward"), "name");
        assertEq(keccak256(bytes(token.symbol())), keccak256("FR"), "symbol");
    }

    function test_constructor_refusesZeroTreasury() public {
        vm.expectRevert(abi.encodeWithSelector(XflToken.ZeroTreasury.selector));
        new XflToken("Federation reward", "FR", address(0), 1);
    }

    function test_constructor_refusesZeroSupply() public {
        vm.expectRevert(abi.encodeWithSelector(XflToken.ZeroSupply.selector));
        new XflToken("Federation reward", "FR", address(0x7EA5), 0);
    }
}
