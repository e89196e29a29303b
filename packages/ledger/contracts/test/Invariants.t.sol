// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";

/// After any sequence of what people do, the sums are right and every grant is where the allowed moves have put it. The actions of
/// `World` themselves fail where the ledger takes what it must refuse, or refuses what it must take.
contract InvariantsTest {
    World private world;

    function setUp() public {
        world = new World();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(world);
    }

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function excludeSelectors() public view returns (Selectors[] memory excluded) {
        excluded = new Selectors[](1);
        excluded[0] = Selectors(address(world), new bytes4[](1));
        excluded[0].selectors[0] = world.setUp.selector;
    }

    function invariant_sumsAreRight() public view {
        world.checkMoney();
    }

    function invariant_grantsStandWhereTheyMay() public view {
        world.checkGrants();
    }
}
