//! What is sold.

/// Something that can be ordered.
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) title: &'static str,
    pub(super) cents: u64,
}

const fn product(sku: &'static str, title: &'static str, cents: u64) -> Product {
    Product { sku, title, cents }
}

/// The catalogue of a shop for the kitchen and the desk.
pub(super) const CATALOGUE: [Product; 48] = [
    product("KIT-MUG-350-SLA", "Stoneware mug 350 ml, slate", 1_290),
    product("KIT-MUG-350-SND", "Stoneware mug 350 ml, sand", 1_290),
    product("KIT-MUG-ESP-WHT", "Espresso cup 90 ml, white", 790),
    product("KIT-BWL-160-SLA", "Cereal bowl 16 cm, slate", 1_450),
    product("KIT-PLT-270-SND", "Dinner plate 27 cm, sand", 1_890),
    product("KIT-PAN-024-IRN", "Cast iron pan 24 cm", 4_990),
    product("KIT-PAN-028-IRN", "Cast iron pan 28 cm", 6_490),
    product("KIT-POT-030-STL", "Stock pot 3 l, stainless steel", 7_900),
    product("KIT-KNF-CHF-200", "Chef's knife 20 cm", 8_950),
    product("KIT-KNF-PAR-090", "Paring knife 9 cm", 2_450),
    product("KIT-BRD-OAK-400", "Cutting board, oak, 40 × 25 cm", 3_900),
    product("KIT-SCL-005-BLK", "Kitchen scale up to 5 kg", 2_990),
    product("KIT-TWL-LIN-002", "Linen tea towel, set of 2", 1_650),
    product("KIT-JAR-100-GLS", "Preserving jar 1 l", 420),
    product("KIT-JAR-050-GLS", "Preserving jar 0.5 l", 340),
    product("KIT-WSK-STL-028", "Balloon whisk 28 cm", 1_190),
    product("COF-BNS-ETH-250", "Coffee beans Yirgacheffe, 250 g", 1_150),
    product("COF-BNS-COL-01K", "Coffee beans Huila, 1 kg", 3_190),
    product("COF-FLT-002-100", "Paper filters size 2, 100 pieces", 390),
    product("COF-GRD-HND-STL", "Hand grinder, steel burrs", 9_900),
    product("COF-KTL-GNK-080", "Gooseneck kettle 0.8 l", 5_900),
    product("COF-MOK-006-ALU", "Moka pot for 6 cups", 3_290),
    product("TEA-SEN-JPN-100", "Sencha, 100 g", 1_490),
    product("TEA-ASM-IND-250", "Assam second flush, 250 g", 1_380),
    product("TEA-POT-GLS-120", "Glass teapot 1.2 l", 3_450),
    product("TEA-CHM-BIO-050", "Chamomile flowers, 50 g", 560),
    product("DSK-NTB-A5D-BLK", "Notebook A5, dotted, black", 1_490),
    product("DSK-NTB-A4R-BLU", "Notebook A4, ruled, blue", 1_690),
    product("DSK-PEN-FNT-F00", "Fountain pen, fine nib", 4_250),
    product("DSK-INK-BLK-030", "Ink, black, 30 ml", 890),
    product("DSK-PCL-HB0-012", "Pencils HB, box of 12", 720),
    product("DSK-LMP-ARM-BRS", "Desk lamp with arm, brass", 12_900),
    product("DSK-LMP-BLB-E27", "LED bulb E27, 806 lm, warm white", 490),
    product("DSK-TRY-OAK-A40", "Letter tray A4, oak", 4_490),
    product("DSK-MAT-FLT-090", "Felt desk mat 90 × 40 cm", 3_950),
    product("DSK-CLP-STL-050", "Paper clips, 50 pieces", 190),
    product("DSK-STD-LAP-ALU", "Laptop stand, aluminium", 5_490),
    product("DSK-CBL-UC2-100", "USB-C cable 1 m", 1_290),
    product("DSK-CHG-065-GAN", "USB-C charger 65 W", 4_490),
    product("HOM-CND-BEE-200", "Beeswax candle 20 cm", 950),
    product("HOM-VAS-GLS-300", "Glass vase 30 cm", 2_790),
    product("HOM-BSK-WLL-M00", "Willow basket, medium", 2_350),
    product("HOM-BLK-WOL-180", "Wool blanket 130 × 180 cm", 8_900),
    product("HOM-SOP-OLV-100", "Olive oil soap, 100 g", 450),
    product("HOM-BRS-DSH-BCH", "Dish brush, beech", 690),
    product("HOM-HKS-OAK-005", "Coat rack with 5 hooks, oak", 5_650),
    product("GFT-CRD-025-EUR", "Gift card 25 €", 2_500),
    product("GFT-WRP-PAP-STD", "Gift wrapping", 250),
];
