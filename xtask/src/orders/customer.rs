//! Who orders.

use super::random::Random;

/// First names, with how they are written in an address.
const FIRST: [(&str, &str); 36] = [
    ("Anna", "anna"),
    ("Björn", "bjoern"),
    ("Chiara", "chiara"),
    ("Daniel", "daniel"),
    ("Elif", "elif"),
    ("François", "francois"),
    ("Grace", "grace"),
    ("Håkon", "hakon"),
    ("Ines", "ines"),
    ("João", "joao"),
    ("Katarzyna", "katarzyna"),
    ("Liam", "liam"),
    ("Małgorzata", "malgorzata"),
    ("Nikolaos", "nikolaos"),
    ("Olivia", "olivia"),
    ("Pavel", "pavel"),
    ("Quentin", "quentin"),
    ("Rosa", "rosa"),
    ("Søren", "soren"),
    ("Tamás", "tamas"),
    ("Ursula", "ursula"),
    ("Viktor", "viktor"),
    ("Wiebke", "wiebke"),
    ("Xenia", "xenia"),
    ("Yusuf", "yusuf"),
    ("Zoë", "zoe"),
    ("Aoife", "aoife"),
    ("Bence", "bence"),
    ("Carmen", "carmen"),
    ("Dries", "dries"),
    ("Eero", "eero"),
    ("Fatima", "fatima"),
    ("Giulia", "giulia"),
    ("Henrik", "henrik"),
    ("Iris", "iris"),
    ("Jürgen", "juergen"),
];

/// Family names, with how they are written in an address.
const FAMILY: [(&str, &str); 40] = [
    ("Andersson", "andersson"),
    ("Bianchi", "bianchi"),
    ("Côté", "cote"),
    ("Dąbrowski", "dabrowski"),
    ("Eriksen", "eriksen"),
    ("Fernández", "fernandez"),
    ("García Márquez", "garcia.marquez"),
    ("Horváth", "horvath"),
    ("Ivanova", "ivanova"),
    ("Jansen", "jansen"),
    ("Kowalski", "kowalski"),
    ("Lindqvist", "lindqvist"),
    ("Müller", "mueller"),
    ("Nguyễn", "nguyen"),
    ("O'Brien", "obrien"),
    ("Papadopoulos", "papadopoulos"),
    ("Quinn", "quinn"),
    ("Rossi", "rossi"),
    ("Schröder", "schroeder"),
    ("Tóth", "toth"),
    ("Ulrich", "ulrich"),
    ("van den Berg", "vandenberg"),
    ("Weiß", "weiss"),
    ("Xu", "xu"),
    ("Yılmaz", "yilmaz"),
    ("Zieliński", "zielinski"),
    ("Almeida", "almeida"),
    ("Bakker", "bakker"),
    ("Čermák", "cermak"),
    ("Dubois", "dubois"),
    ("Esposito", "esposito"),
    ("Fischer", "fischer"),
    ("Greco", "greco"),
    ("Hansen", "hansen"),
    ("Jørgensen", "jorgensen"),
    ("Korhonen", "korhonen"),
    ("Lefèvre", "lefevre"),
    ("Moreau", "moreau"),
    ("Novák", "novak"),
    ("Peeters", "peeters"),
];

/// Domains that nobody owns.
const DOMAINS: [&str; 4] = ["example.com", "example.org", "example.net", "mail.example"];

/// Before the first order, when customers signed up: 2023.
const SIGN_UP: u64 = 1_672_531_200_000;
const SIGN_UP_SPAN: usize = 700 * 86_400;

/// Someone who orders.
pub(super) struct Customer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: Option<String>,
}

impl Customer {
    /// A new customer.
    pub(super) fn generate(random: &mut Random) -> Self {
        let (first, first_plain) = random.pick(&FIRST);
        let (family, family_plain) = random.pick(&FAMILY);
        let signed_up = SIGN_UP + random.below(SIGN_UP_SPAN) as u64 * 1_000;
        let domain = random.pick(&DOMAINS);
        let number = if random.percent(35) { (60 + random.below(40)).to_string() } else { String::new() };
        let email = format!("{first_plain}.{family_plain}{number}@{domain}");
        Customer {
            id: random.uuid(signed_up),
            name: format!("{first} {family}"),
            email: random.percent(82).then_some(email),
        }
    }
}
